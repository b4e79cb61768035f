"""Criteria, resets, schedules and scopes that a notebook gives as functions or objects."""

import json

import numpy as np
import pytest
from pydantic import ValidationError

from lth import LotteryModel, LotterySession, SpecError, Training
from lth.core.external import source_digest
from lth.results.schemas import RunResult
from lth.spec.document import parse_spec

SHORT = Training(duration="20it", evaluate_every="10it")


def largest(weights, rng):
    """The same as large_final."""
    return np.abs(weights.final)


def halved(kernel, rng):
    return kernel.rewind / 2


class Sparser:
    """A schedule of two rounds."""

    def __init__(self, last=0.25):
        self.last = last

    def densities(self, rate):
        return (1 - rate * 0.5, 1 - rate * (1 - self.last))


class AllLayers:
    ranks_together = True

    def rate(self, role):
        return 1.0


def model(**more) -> LotteryModel:
    return LotteryModel("lenet-300-100", "digits", SHORT, **more)


def test_a_function_scores_like_the_criterion_that_it_copies():
    own, built_in = model(), model()
    own.one_shot(0.8, criterion=largest, observer=None)
    built_in.one_shot(0.8, criterion="large_final", observer=None)
    for name, mask in built_in.masks.items():
        assert (own.masks[name] == mask).all()
    assert own.levels[-1].final == built_in.levels[-1].final


def test_a_function_resets_the_weights():
    own = model()
    own.one_shot(0.5, reinit=halved, observer=None)
    start, first = own.trained_levels[0], own.ticket
    for name, mask in own.masks.items():
        path = next(path for path in first if name in path and path.endswith("kernel"))
        assert np.array_equal(first[path], own.initial_weights[path] / 2 * mask)
    assert start.result.level == 0


def test_objects_are_schedules_and_scopes():
    own = model()
    own.iterative_pruning(Sparser(), scope=AllLayers(), observer=None)
    assert [round(level.density, 2) for level in own.levels] == [1.0, 0.5, 0.25]
    kept = {round(layer.density, 2) for layer in own.levels[-1].layers}
    assert len(kept) > 1  # layers compete with each other


def test_results_record_name_and_digest_and_say_that_they_are_external():
    own = model()
    own.one_shot(0.8, criterion=largest, reinit=halved, observer=None)
    (result,) = own.results
    assert [(each.family, each.name) for each in result.external] == [
        ("criterion", "largest"),
        ("reinit", "halved"),
    ]
    assert result.external[0].digest == source_digest(largest)
    again = RunResult.model_validate_json(result.model_dump_json())
    assert again == result
    session = LotterySession("lenet-300-100", "digits", SHORT)
    session.run([{"name": "own", "pruning": {"criterion": largest}}], observer=None)
    remarks = " ".join(session.get_summary().remarks)
    assert (
        f"'own' uses the criterion 'largest' of a notebook (source {source_digest(largest)[:12]}"
        in remarks
    )


def test_equal_names_with_different_sources_differ():
    def scored(factor):
        def largest(weights, rng):
            return np.abs(weights.final) * factor

        return largest

    digests = {source_digest(each) for each in (largest, scored(1), scored(2))}
    assert len(digests) == 3
    assert source_digest(scored(1)) == source_digest(scored(1))
    assert source_digest(Sparser(0.1)) != source_digest(Sparser(0.2))


def test_a_session_continues_from_its_state_with_the_same_function():
    experiments = [{"name": "own", "pruning": {"criterion": largest}, "reinit": halved}]
    first = LotterySession("lenet-300-100", "digits", SHORT)
    first.run(experiments, observer=None)
    again = LotterySession("lenet-300-100", "digits", SHORT)
    again.restore(first.state())
    assert again.results == first.results
    again.run(experiments, observer=None)
    assert again.results == first.results
    with pytest.raises(SpecError, match="there is an experiment 'own' already"):
        again.run([{"name": "own", "pruning": {"criterion": "large_final"}}], observer=None)


def test_a_model_continues_in_the_middle_of_a_level_of_its_own_reset():
    whole = model()
    whole.iterative_pruning(Sparser(), largest, halved, observer=None)
    states: list[bytes] = []

    class Interrupted(Exception):
        pass

    def stop(progress):
        if progress.level == 2:
            raise Interrupted

    begun = model()
    with pytest.raises(Interrupted):
        begun.iterative_pruning(Sparser(), largest, halved, observer=stop)
    states.append(begun.state())
    other = model()
    other.restore(states[0])
    other.iterative_pruning(Sparser(), largest, halved, observer=None)
    assert [level.final for level in other.levels] == [level.final for level in whole.levels]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda weights, rng: np.zeros(3), r"returned an array of shape \[3\]"),
        (
            lambda weights, rng: weights.final * np.nan,
            "returned 19200 values that are not; expected a finite",
        ),
        (lambda weights, rng: weights.missing, "failed: AttributeError"),
        (lambda weights: weights.final, "failed: TypeError"),
        (lambda weights, rng: ["a"] * weights.final.size, "returned an array of <U1"),
    ],
)
def test_a_wrong_criterion_is_refused_by_name(wrong, said):
    own = model()
    own.train(observer=None)
    with pytest.raises(SpecError, match=f"the criterion '<lambda>' {said}"):
        own.prune(sparsity=0.5, criterion=wrong)
    own.prune(sparsity=0.5)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("schedule", lambda rate: (0.5,), "no schedule; give a name, an object with the method"),
        ("scope", object(), "no scope; give a name, an object with the method rate()"),
        ("criterion", object(), "or a function with the arguments of scores()"),
        ("criterion", Sparser, "found a class"),
    ],
)
def test_other_objects_are_refused_with_what_would_be_right(field, value, said):
    with pytest.raises(SpecError, match=said.replace("(", r"\(").replace(")", r"\)")):
        model()._method(**{
            "schedule": {"kind": "one_shot", "sparsity": 0.5},
            "criterion": "large_final",
            "reinit": "rewind",
            "scope": "layer",
            "pruned_weights": "zero",
            field: value,
        })  # fmt: skip


@pytest.mark.parametrize(
    "own",
    [
        {"kind": "external", "name": "largest", "digest": "0" * 64},
        {"kind": "external"},
        "external",
    ],
)
def test_a_spec_cannot_contain_an_external_member(own):
    for pruning in ({"criterion": own}, {"schedule": own}, {"scope": own}):
        with pytest.raises(ValidationError):
            parse_spec({"kind": "model", "pruning": pruning})
    with pytest.raises(ValidationError):
        parse_spec({"kind": "model", "reinit": own})


def test_the_schema_of_specs_has_no_external_member():
    from lth.spec.document import SPEC

    assert "external" not in json.dumps(SPEC.json_schema())
