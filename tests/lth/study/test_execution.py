"""The functions that a worker calls: inputs and outcomes of planned runs."""

import json
from io import BytesIO

import keras
import numpy as np
import pytest
import tensorflow as tf

from lth import LotteryLinear, LotterySession
from lth.core.npz import decode, encode
from lth.engine.observer import Inputs, Outcome, Publisher
from lth.experiment.state import ExperimentState
from lth.spec.document import parse_spec, spec_hash
from lth.spec.plan import plan
from lth.study.execution import execute, trunk_key
from tests.lth.small import Recorder, same

MODEL = parse_spec(
    {
        "kind": "model",
        "network": {"kind": "layers", "layers": ["flatten", {"kind": "linear", "units": 10}]},
        "training": {"duration": "2ep"},
    }
)
SESSION = parse_spec(
    {
        "kind": "session",
        "plots": "none",
        "network": {
            "kind": "layers",
            "layers": [
                "flatten",
                {"kind": "linear", "units": 20, "activation": "relu"},
                "batch_normalization",
                {"kind": "dropout", "rate": 0.2},
                {"kind": "linear", "units": 10},
            ],
        },
        "training": {"duration": "3ep"},
        "experiments": [
            {"name": "late", "reinit": {"kind": "rewind", "to": "1ep"}},
            {"name": "random", "control": {"kind": "random_weights", "of": "late"}},
        ],
    }
)


@pytest.fixture(scope="module")
def data():
    return MODEL.dataset.load(None)


def content(outcome: Outcome, name: str) -> bytes:
    return next(a.content() for a in outcome.artifacts if a.name == name)


@pytest.fixture(scope="module")
def outcomes(data) -> dict[str, Outcome]:
    """The outcomes of all runs of the session, by key."""
    trunk, late, random = plan(SESSION)
    done = {trunk.key: execute(SESSION, trunk, Inputs(data), Publisher())}
    dense = done[trunk.key].trunk
    done[late.key] = execute(SESSION, late, Inputs(data, trunk=dense), Publisher())
    masks = content(done[late.key], "masks.npz")
    inputs = Inputs(data, trunk=dense, ticket_masks=masks)
    done[random.key] = execute(SESSION, random, inputs, Publisher())
    return done


def test_a_single_experiment_has_arrays_and_a_report_but_no_pictures(data):
    (run,) = plan(MODEL)
    outcome = execute(MODEL, run, Inputs(data), Publisher())
    names = [artifact.name for artifact in outcome.artifacts]
    assert names == [
        "masks.npz",
        "weights/initial.npz",
        "weights/level-0.npz",
        "weights/level-1.npz",
        "report.json",
    ]
    report = json.loads(content(outcome, "report.json"))
    assert report["result"]["levels"][1]["level"] == 1
    assert report["result"]["environment"]["device"].startswith("cpu: ")
    assert report["spec"]["kind"] == "model"
    assert (report["spec_hash"], report["run"]) == (spec_hash(MODEL), run.key)
    assert outcome.trunk is not None


def test_every_trial_is_executed_with_its_own_seed(data):
    fields = {"kind": "robust", "trials": 2, "experiments": [{"name": "ticket"}]}
    spec = parse_spec({**MODEL.model_dump(mode="json", include={"network", "training"}), **fields})
    run = next(each for each in plan(spec) if (each.trial, each.experiment) == (2, "ticket"))
    result = execute(spec, run, Inputs(data), Publisher()).result
    own_session = LotterySession(
        keras.Sequential([keras.layers.Flatten(), LotteryLinear(10)]), trial=2
    )
    assert (result.trial, result.seed) == (2, run.seed) == (2, own_session.context.seed)


def test_progress_has_the_number_of_levels_from_the_first_step_on(data):
    """The dense training of a single job is not its last level."""
    (run,) = plan(MODEL)
    recorder = Recorder()
    execute(MODEL, run, Inputs(data), recorder)
    assert {(seen.level, seen.levels) for seen in recorder.progress_seen} == {(0, 1), (1, 1)}


def test_a_trunk_resumes_from_its_checkpoint_and_is_returned_by_the_run_that_trained_it(
    data, outcomes
):
    trunk, late, *_ = plan(SESSION)
    dense, whole, rest = outcomes[trunk.key].trunk, Recorder(), Recorder()
    execute(SESSION, trunk, Inputs(data), whole)
    assert outcomes[late.key].trunk is None
    outcome = execute(SESSION, trunk, Inputs(data, checkpoint=BytesIO(whole.checkpoints[0])), rest)
    assert len(rest.checkpoints) == len(whole.checkpoints) - 1
    resumed, undisturbed = (ExperimentState.from_file(each) for each in (outcome.trunk, dense))
    assert same(resumed.finished[0].weights, undisturbed.finished[0].weights)
    assert all(same(resumed.rewinds[step], undisturbed.rewinds[step]) for step in (0, 20))


def test_equal_runs_give_equal_bytes_of_every_array(data):
    (run,) = plan(MODEL)
    one, other = (execute(MODEL, run, Inputs(data), Publisher()) for _ in range(2))
    for artifact, again in zip(one.artifacts, other.artifacts, strict=True):
        if artifact.name.endswith(".npz"):
            assert artifact.content() == again.content()


def test_a_trunk_is_the_same_dense_training_for_every_experiment(data, outcomes):
    late = outcomes["trial-1/late"].result
    random = outcomes["trial-1/random"].result
    assert late.trunk_reused
    assert late.levels[0] == random.levels[0]
    (_, run, *_) = plan(SESSION)
    alone = execute(SESSION, run, Inputs(data), Publisher())
    assert not alone.result.trunk_reused
    assert content(alone, "weights/level-1.npz") == content(
        outcomes["trial-1/late"], "weights/level-1.npz"
    )


def test_masks_are_boolean_and_named_by_level_and_layer(outcomes):
    with np.load(BytesIO(content(outcomes["trial-1/late"], "masks.npz"))) as masks:
        assert masks.files == ["level-1/linear_1", "level-1/linear_2"]
        assert all(masks[name].dtype == np.bool_ for name in masks.files)


def test_a_control_has_the_masks_of_its_ticket(outcomes):
    assert content(outcomes["trial-1/late"], "masks.npz") == content(
        outcomes["trial-1/random"], "masks.npz"
    )


def test_a_run_resumed_from_any_checkpoint_ends_with_the_same_bytes(data, outcomes):
    (_, run, *_) = plan(SESSION)
    recorder = Recorder()
    execute(SESSION, run, Inputs(data), recorder)
    undisturbed = outcomes["trial-1/late"]
    for done, checkpoint in enumerate(recorder.checkpoints, 1):
        rest = Recorder()
        outcome = execute(SESSION, run, Inputs(data, checkpoint=BytesIO(checkpoint)), rest)
        assert len(rest.checkpoints) == len(recorder.checkpoints) - done
        for artifact in outcome.artifacts:
            if artifact.name.endswith(".npz"):
                assert artifact.content() == content(undisturbed, artifact.name)


def test_a_trunk_of_other_data_or_another_device_has_another_key():
    arguments = [("a", "d", "cpu"), ("b", "d", "cpu"), ("a", "e", "cpu"), ("a", "d", "gpu")]
    assert len({trunk_key(*each) for each in arguments}) == len(arguments)


@pytest.mark.parametrize("library", [tf, keras])
def test_a_trunk_of_another_library_version_has_another_key(library, monkeypatch):
    before = trunk_key("a", "d", "cpu")
    monkeypatch.setattr(library, "__version__", "9.9.9")
    assert trunk_key("a", "d", "cpu") != before


def _of_another_version(checkpoint: bytes, **changed) -> BytesIO:
    arrays, header = decode(checkpoint)
    return BytesIO(encode(arrays, {**header, **changed}))


@pytest.mark.parametrize("changed", [{"format": 1}, {"engine": 0}])
def test_a_run_with_a_checkpoint_or_trunk_of_another_version_starts_again(data, changed, caplog):
    (run,) = plan(MODEL)
    recorder = Recorder()
    undisturbed = execute(MODEL, run, Inputs(data), recorder)
    assert undisturbed.trunk is not None
    old = [
        _of_another_version(each, **changed)
        for each in (recorder.checkpoints[-1], undisturbed.trunk.read())
    ]
    again = execute(MODEL, run, Inputs(data, checkpoint=old[0], trunk=old[1]), Publisher())
    assert again.trunk is not None
    assert again.result is not None
    assert not again.result.trunk_reused
    assert content(again, "weights/level-1.npz") == content(undisturbed, "weights/level-1.npz")
    logged = [record.args[0] for record in caplog.records if record.name == "lth.study.execution"]
    assert logged == ["trunk", "checkpoint"]


def test_a_run_with_a_damaged_checkpoint_starts_again(data):
    (run,) = plan(MODEL)
    for damaged in (b"", b"PK", encode({"a": np.zeros(1)}), encode({}, [])):
        assert execute(MODEL, run, Inputs(data, checkpoint=BytesIO(damaged)), Publisher()).result


def test_a_control_returns_to_the_rewind_point_of_its_ticket(data, outcomes):
    document = SESSION.model_dump(mode="json")
    document["experiments"][1]["control"]["kind"] = "shuffled_mask"
    shuffled = parse_spec(document)
    trunk, late, run, *_ = plan(shuffled)
    masks = content(outcomes[late.key], "masks.npz")
    dense = outcomes[trunk.key].trunk
    outcome = execute(shuffled, run, Inputs(data, trunk=dense, ticket_masks=masks), Publisher())
    assert outcome.result is not None
    assert [level.start for level in outcome.result.levels] == [0, 20]
