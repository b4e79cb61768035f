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


def test_what_a_run_needs_comes_before_it_and_is_all_of_it():
    done: dict[str, set[str]] = {}
    runs = plan(session(kind="robust", trials=2, grid={"criteria": ["mi"], "reinit": ["random"]}))
    for run in runs:
        assert set(run.needs) <= set(done)
        assert set(run.needs).issuperset(each for needed in run.needs for each in done[needed])
        done[run.key] = set(run.needs)
    assert len(done) == len(runs)


def test_what_others_wait_for_comes_first_in_all_trials():
    """So that no worker idles at the end while another does what waited for one of its runs."""
    keys = [run.key for run in plan(session(kind="robust", trials=2))]
    assert keys == [
        f"trial-{trial}/{name}" for name in ("trunk", "ticket", "control") for trial in (1, 2)
    ]


def test_a_trial_is_the_same_however_many_there_are():
    few, many = (plan(session(kind="robust", trials=trials)) for trials in (2, 4))
    assert [run for run in few if run.trial == 2] == [run for run in many if run.trial == 2]


def test_a_plan_is_the_same_every_time():
    assert plan(session()) == plan(session())


def test_a_trunk_is_named_by_what_its_training_depends_on():
    """And by nothing else: experiments that differ only in pruning share it."""
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
        # The training of the first, and another network.
        {"network": "conv-2", "training": {"optimizer": {"kind": "adam", "learning_rate": 1.2e-3}}},
        {"reinit": {"kind": "rewind", "to": "100it"}},
    ]
    assert len(set.union(*(trunks(**fields) for fields in [{}, *other]))) == 1 + len(other)


def test_a_trunk_of_another_engine_is_another_one(monkeypatch):
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


def test_the_points_that_resets_return_to_are_kept_once_each_and_rising():
    late = {"kind": "rewind", "to": "17it"}
    resets = [late, "rewind", {"kind": "rewind", "to": "2ep"}, {"kind": "jitter", "to": "40it"}]
    resets.append({"kind": "rewind", "to": "12it"})
    spec = session(
        experiments=[{"name": f"e{n}", "reinit": reset} for n, reset in enumerate(resets)]
    )
    assert spec.training.steps_per_epoch(spec.samples) == 20
    assert rewind_points(spec) == (0, 12, 17, 40)


def test_levels_are_the_rounds_of_the_ticket_and_of_its_control_alike():
    pruning = {"schedule": {"kind": "geometric", "fraction": 0.2, "sparsity": 0.79}}
    spec = session(experiments=[{"name": "ticket", "pruning": pruning}, CONTROL])
    for name in ("ticket", "control"):
        assert experiment_named(spec, name).name == name
        assert levels_of(spec, experiment_named(spec, name)) == 7


@pytest.mark.parametrize("seed", [0, 1, 2**63 - 1])
def test_a_trunk_s_name_is_a_digest(seed):
    name = trunk_identity(parse_spec({"kind": "model"}), seed)
    assert len(name) == 64
    assert int(name, 16) >= 0
