"""The runs of a spec."""

import sys

import pytest

from lth.spec.document import parse_spec
from lth.spec.plan import (
    ENGINE_VERSION,
    RunKind,
    experiment_named,
    levels_of,
    plan,
    rewind_points,
    trunk_identity,
)

CONTROL = {"name": "control", "control": {"kind": "random_weights", "of": "ticket"}}


def session(kind="session", **fields):
    experiments = fields.pop("experiments", [CONTROL, {"name": "ticket"}])
    return parse_spec({"kind": kind, "experiments": experiments, **fields})


def trunks(**fields):
    return {run.trunk for run in plan(parse_spec({"kind": "model", **fields}))}


def test_one_experiment_is_one_run():
    (run,) = plan(parse_spec({"kind": "model"}))
    assert (run.key, run.kind, run.trial, run.experiment) == (
        "trial-1/ticket",
        RunKind.EXPERIMENT,
        1,
        "ticket",
    )
    assert run.needs == ()


def test_a_session_trains_its_trunk_once_and_its_controls_after_their_tickets():
    runs = plan(session())
    assert [(run.key, run.kind, run.needs) for run in runs] == [
        ("trial-1/trunk", RunKind.TRUNK, ()),
        ("trial-1/ticket", RunKind.EXPERIMENT, ("trial-1/trunk",)),
        ("trial-1/control", RunKind.EXPERIMENT, ("trial-1/trunk", "trial-1/ticket")),
    ]
    assert len({run.trunk for run in runs}) == 1


def test_a_robust_job_has_a_trunk_and_a_seed_for_each_trial():
    runs = plan(session(kind="robust", trials=3))
    assert len(runs) == 3 * 3
    for kind in (RunKind.TRUNK, RunKind.EXPERIMENT):
        assert {run.trial for run in runs if run.kind is kind} == {1, 2, 3}
    assert len({run.seed for run in runs if run.kind is RunKind.TRUNK}) == 3
    assert len({run.trunk for run in runs if run.kind is RunKind.TRUNK}) == 3
    for trial in (1, 2, 3):
        of_trial = [run for run in runs if run.trial == trial]
        assert len({run.seed for run in of_trial}) == len({run.trunk for run in of_trial}) == 1


def test_a_run_comes_after_all_its_direct_and_indirect_needs():
    done: dict[str, set[str]] = {}
    runs = plan(session(kind="robust", trials=2, grid={"criteria": ["mi"], "reinit": ["random"]}))
    for run in runs:
        assert set(run.needs) <= set(done)
        assert set(run.needs).issuperset(each for needed in run.needs for each in done[needed])
        done[run.key] = set(run.needs)
    assert len(done) == len(runs)


def test_runs_that_others_need_come_first_in_all_trials():
    """Otherwise some workers idle at the end, while others execute dependent runs."""
    keys = [run.key for run in plan(session(kind="robust", trials=2))]
    assert keys == [
        f"trial-{trial}/{name}" for name in ("trunk", "ticket", "control") for trial in (1, 2)
    ]


def test_a_trial_does_not_depend_on_the_number_of_trials():
    few, many = (plan(session(kind="robust", trials=trials)) for trials in (2, 4))
    assert [run for run in few if run.trial == 2] == [run for run in many if run.trial == 2]


def test_a_plan_is_deterministic():
    assert plan(session()) == plan(session())


def test_the_name_of_a_trunk_depends_only_on_its_training():
    """Experiments that differ only in pruning share a trunk."""
    same = [
        {},
        {"name": "x", "labels": {"a": "b"}},
        {"pruning": {"criterion": "movement"}},
        {"reinit": "random"},
        {"plots": "none"},
    ]
    assert len(set.union(*(trunks(**fields) for fields in same))) == 1
    other = [
        {"seed": 1},
        {"dataset": {"kind": "digits", "validation": 200}},
        {"dataset": {"kind": "digits", "normalisation": "standard"}},
        {"training": {"duration": "21ep"}},
        {"training": {"batch_size": 50}},
        {"network": "conv-2"},
        # The training of the default network, but another network.
        {"network": "conv-2", "training": {"optimizer": {"kind": "adam", "learning_rate": 1.2e-3}}},
        {"reinit": {"kind": "rewind", "to": "100it"}},
    ]
    assert len(set.union(*(trunks(**fields) for fields in [{}, *other]))) == 1 + len(other)


def test_another_engine_version_has_another_trunk(monkeypatch):
    before = trunks()
    monkeypatch.setattr(sys.modules["lth.spec.plan"], "ENGINE_VERSION", ENGINE_VERSION + 1)
    assert trunks() != before


def test_a_preset_and_its_list_of_layers_share_a_trunk():
    layers = [
        {"kind": "flatten"},
        {"kind": "linear", "units": 300, "activation": "relu"},
        {"kind": "linear", "units": 100, "activation": "relu"},
        {"kind": "linear", "units": 10},
    ]
    assert trunks(network={"kind": "layers", "layers": layers}) == trunks(network="lenet-300-100")


def test_rewind_points_are_sorted_and_distinct():
    late = {"kind": "rewind", "to": "17it"}
    resets = [late, "rewind", {"kind": "rewind", "to": "2ep"}, {"kind": "jitter", "to": "40it"}]
    resets.append({"kind": "rewind", "to": "12it"})
    spec = session(
        experiments=[{"name": f"e{n}", "reinit": reset} for n, reset in enumerate(resets)]
    )
    assert spec.training.steps_per_epoch(spec.samples) == 20
    assert rewind_points(spec) == (0, 12, 17, 40)


def test_a_ticket_and_its_control_have_a_level_for_each_round():
    pruning = {"schedule": {"kind": "geometric", "fraction": 0.2, "sparsity": 0.79}}
    spec = session(experiments=[{"name": "ticket", "pruning": pruning}, CONTROL])
    for name in ("ticket", "control"):
        assert experiment_named(spec, name).name == name
        assert levels_of(spec, experiment_named(spec, name)) == 7


@pytest.mark.parametrize("seed", [0, 1, 2**63 - 1])
def test_the_name_of_a_trunk_is_a_digest(seed):
    name = trunk_identity(parse_spec({"kind": "model"}), seed)
    assert len(name) == 64
    assert int(name, 16) >= 0
