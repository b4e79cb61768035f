"""The length of a level, its evaluation points, and its learning rates."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from lth.core.errors import SpecError
from lth.core.limits import Limits
from lth.spec.document import parse_spec
from lth.training.settings import Augmentation, Training


def test_the_settings_of_lenet_in_the_paper():
    training = Training.model_validate(
        {"batch_size": 60, "duration": "50000it", "evaluate_every": "100it"}
    )
    assert training.steps_per_epoch(55_000) == 916
    assert training.iterations(55_000) == 50_000
    assert training.evaluations(55_000) == 500
    assert training.next_evaluation(0, 55_000) == 100


def test_an_incomplete_batch_is_dropped():
    assert Training(batch_size=60).steps_per_epoch(119) == 1


def test_a_level_can_have_one_batch_in_an_epoch_and_only_warm_up():
    training = Training.model_validate({"batch_size": 60, "duration": "3ep", "warmup": "3ep"})
    training.check(60, (13,))
    assert training.iterations(60) == 3


def evaluation_points(training, samples):
    points = [training.next_evaluation(0, samples)]
    while points[-1] < training.iterations(samples):
        points.append(training.next_evaluation(points[-1], samples))
    return points


def test_a_level_is_always_evaluated_at_its_end():
    training = Training.model_validate({"duration": "10it", "evaluate_every": "4it"})
    assert evaluation_points(training, 1_000) == [4, 8, 10]
    long = Training.model_validate({"duration": "10it", "evaluate_every": "1ep"})
    assert evaluation_points(long, 1_000) == [10]


def test_between_two_evaluation_points_the_later_one_is_next():
    training = Training.model_validate({"duration": "10it", "evaluate_every": "4it"})
    assert [training.next_evaluation(done, 1_000) for done in (3, 5, 9)] == [4, 8, 10]


@given(
    duration=st.integers(1, 300),
    every=st.integers(1, 400),
    unit=st.sampled_from(["ep", "it"]),
    samples=st.integers(60, 600),
)
def test_evaluation_points_rise_to_the_end_and_agree_with_their_number(
    duration, every, unit, samples
):
    training = Training.model_validate(
        {"duration": f"{duration}it", "evaluate_every": f"{every}{unit}"}
    )
    points = evaluation_points(training, samples)
    assert points == sorted(set(points))
    assert points[-1] == duration
    assert points[0] >= 1
    assert len(points) == training.evaluations(samples)


def test_there_is_a_learning_rate_for_each_step_of_a_level():
    training = Training.model_validate(
        {
            "optimizer": {"kind": "sgd", "learning_rate": 0.1},
            "decay": {"kind": "step", "at": ["1ep"]},
            "warmup": "2it",
            "duration": "2ep",
            "batch_size": 50,
        }
    )
    found = training.learning_rates(samples=200)
    np.testing.assert_allclose(found, [0.05, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.01], rtol=1e-6)


def test_a_warm_up_in_the_same_unit_is_checked_without_the_data():
    with pytest.raises(ValidationError, match="warm-up of '3ep' is longer than '2ep'"):
        Training.model_validate({"warmup": "3ep", "duration": "2ep"})


@pytest.mark.parametrize("kind", ["none", "flip", "crop", "flip_crop"])
def test_an_unknown_augmentation_is_refused(kind):
    assert TypeAdapter(Augmentation).validate_python(kind) == kind
    with pytest.raises(ValidationError, match="augmentation"):
        Training.model_validate({"augmentation": "rotate"})


@pytest.mark.parametrize("size", [0, -1, 1.5, "many", None])
def test_a_batch_size_that_is_not_a_positive_whole_number_is_refused(size):
    with pytest.raises(ValidationError, match="batch_size"):
        Training.model_validate({"batch_size": size})


class RMSprop:
    """Stands for any object that is named like an optimizer."""


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"lr": 1e-3}, "Training/lr: .*'optimizer', such as {'kind': 'adam', 'learning_rate': "),
        ({"epochs": 20}, r"Training/epochs: .*found 20; expected: 'duration', such as '20ep'\)"),
        ({"optimizer": RMSprop()}, "Training/optimizer: .*write {'kind': 'rmsprop', ...} with"),
        ({"optimizer": {"kind": "adam", "learning_rate": 0}}, "found 0; expected: a number, more"),
        ({"duration": 20}, "Training/duration: 20 is not a duration"),
        ({"batch_size": 0, "decay": "x"}, "Training/decay: .*; Training/batch_size: "),
        ({"warmup": "3ep", "duration": "2ep"}, "a warm-up of '3ep' is longer than '2ep'"),
    ],
)
def test_the_constructor_names_what_would_be_right(fields, said):
    with pytest.raises(SpecError, match=said):
        Training(**fields)


def test_an_optimizer_of_keras_is_refused_with_the_kind_that_is_named_like_it():
    import keras

    for optimizer in (keras.optimizers.Adam(), keras.optimizers.SGD(), keras.optimizers.AdamW()):
        kind = type(optimizer).__name__.lower()
        with pytest.raises(SpecError, match=f"write {{'kind': '{kind}', ...}} with the parameters"):
            Training(optimizer=optimizer)


def test_validation_of_plain_data_keeps_its_limits_and_its_locations():
    document = {"kind": "model", "training": {"batch_size": 70, "duration": "x"}}
    with pytest.raises(ValidationError) as refused:
        parse_spec(document, Limits(max_batch_size=60))
    places = [found["loc"] for found in refused.value.errors()]
    assert places == [("model", "training", "batch_size"), ("model", "training", "duration")]
