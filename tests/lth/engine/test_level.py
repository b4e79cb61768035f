"""The training of one level: its scores, and the inputs and the lengths of its calls."""

from dataclasses import dataclass

import keras
import numpy as np
import pytest

from lth import ArrayDataset, LotteryLinear, LotteryModel, Training
from lth.core.errors import Diverged
from lth.engine import level as training_of_a_level
from lth.engine.level import Level, begin
from lth.engine.program import Program
from lth.experiment.state import ExperimentState
from tests.lth.own import OWN, SHORT, X, Y, small
from tests.lth.small import Recorder, same

STILL = {"optimizer": {"kind": "sgd", "learning_rate": 1e-30}, "batch_size": 27}
"""Training that changes no weights, with epochs of 8 full batches."""
COOLING = Training.model_validate({"duration": "2ep", "batch_size": 20, "decay": "cosine"})


@dataclass(frozen=True)
class Call:
    """The arguments of one compiled call."""

    order: bytes
    noise: int
    rates: np.ndarray


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    seen: list[Call] = []
    train = Program.train

    def recorded(self, data, order, rates, first, last, totals, noise):
        places = np.searchsorted(data.train, order)
        seen.append(Call(places.tobytes(), noise, rates[first:last]))
        return train(self, data, order, rates, first, last, totals, noise)

    monkeypatch.setattr(Program, "train", recorded)
    return seen


def training(**fields) -> Training:
    return Training.model_validate(fields)


def test_scores_are_those_of_their_splits_and_the_first_minimum_is_the_early_stop():
    model = LotteryModel(small(), OWN, training(**STILL, duration="3ep", evaluate_every="2ep"))
    level = model.train()
    program, data = model.context.program(freezing=False), model.context.data
    train, validation, test = (
        program.evaluate(data, split) for split in (data.train_split, data.validation, data.test)
    )
    assert level.history.iterations == (16, 24)
    assert level.history.train_loss == pytest.approx([train.loss] * 2, rel=1e-4)
    assert level.history.train_accuracy == pytest.approx([train.accuracy] * 2)
    assert level.history.validation_loss == (validation.loss,) * 2
    assert level.history.validation_accuracy == (validation.accuracy,) * 2
    assert (level.early_stop.iteration, level.final.iteration) == (16, 24)
    assert level.early_stop.validation == level.final.validation == validation
    assert level.early_stop.test == level.final.test == test
    assert len({train.loss, validation.loss, test.loss}) == 3


def test_the_early_stop_has_the_scores_of_its_weights_and_the_level_keeps_the_last_weights():
    labels = np.random.default_rng(1).integers(0, 2, len(X))
    fields = {"batch_size": 20, "optimizer": {"kind": "adam", "learning_rate": 0.05}}
    overfitted = LotteryModel(small(), ArrayDataset(X, labels), training(**fields, duration="20ep"))
    level = overfitted.train()
    stop = level.early_stop.iteration
    losses = level.history.validation_loss
    assert stop == level.history.iterations[losses.index(min(losses))]
    assert stop < level.final.iteration
    stopped = LotteryModel(
        small(), ArrayDataset(X, labels), training(**fields, duration=f"{stop}it")
    )
    assert level.early_stop.test == stopped.train().final.test
    assert level.early_stop.test != level.final.test
    program, data = stopped.context.program(freezing=False), stopped.context.data
    program.swap(overfitted.trained_levels[0].weights)
    assert program.evaluate(data, data.test) == level.final.test


def test_training_scores_are_means_since_the_last_evaluation_point():
    fine, coarse = (
        LotteryModel(small(), OWN, training(duration="2ep", batch_size=20, evaluate_every=every))
        .train()
        .history
        for every in ("1ep", "2ep")
    )
    assert coarse.train_loss == pytest.approx([np.mean(fine.train_loss)], rel=1e-5)
    assert coarse.train_accuracy == pytest.approx([np.mean(fine.train_accuracy)])


def test_every_epoch_of_every_level_and_trial_has_its_own_order_and_noise(calls):
    for trial in (1, 2):
        LotteryModel(small(), OWN, COOLING, trial=trial).one_shot(0.5)
    assert len({call.order for call in calls}) == 2 * 2 * 2
    assert len({call.noise for call in calls}) == 2 * 2 * 2


@pytest.mark.parametrize(
    ("reset", "to"), [("rewind", 0), ("rewind", 13), ("learning_rate", 13), ("none", 0)]
)
def test_learning_rates_start_at_the_step_to_which_the_reset_returns(calls, reset, to):
    model = LotteryModel(small(), OWN, COOLING, keep_weights_at="13it")
    rates = COOLING.learning_rates(216)
    model.train()
    assert np.array_equal(np.concatenate([call.rates for call in calls]), rates)
    model.prune(sparsity=0.3)
    model.reinit(reset if reset == "none" else {"kind": reset, "to": f"{to}it"})
    calls.clear()
    model.train()
    expected = np.full(20, rates[-1]) if reset == "none" else rates[to:]
    assert np.array_equal(np.concatenate([call.rates for call in calls]), expected)


def test_without_a_reset_a_level_is_fine_tuned(calls):
    model = LotteryModel(small(), OWN, COOLING, keep_weights_at="13it")
    model.train()
    model.prune(sparsity=0.3)
    model.reinit({"kind": "rewind", "to": "13it"})
    model.train()
    calls.clear()
    model.prune(sparsity=0.6)
    trained = model.trained_levels[1].weights["linear_1/kernel"] * model.masks["linear_1"]
    assert np.array_equal(model.ticket["linear_1/kernel"], trained)
    assert model.train().start == 0
    (rate,) = np.unique(np.concatenate([call.rates for call in calls]))
    assert rate == COOLING.learning_rates(216)[-1]


def test_noise_depends_on_seed_level_and_layer():
    paths = ("a/seed_generator_state", "b/seed_generator_state")
    weights = {"b/kernel": np.ones(3, np.float32), **dict.fromkeys(paths, np.zeros(2, np.uint32))}
    begun = [
        begin(Level(number, 1, seed, SHORT, np.ones(40, np.float32), 5), weights)
        for seed in (1, 2)
        for number in (0, 1)
    ]
    assert all(each.iteration == 5 and each.weights["b/kernel"].all() for each in begun)
    assert len({tuple(each.weights[path]) for each in begun for path in paths}) == 2 * 2 * 2


def test_short_calls_give_the_same_level_and_checkpoints_after_each_report(
    monkeypatch,
):
    fields = {"duration": "2ep", "batch_size": 20, "evaluate_every": "7it", "decay": "cosine"}
    whole, apart = (LotteryModel(small(), OWN, training(**fields)) for _ in range(2))
    undisturbed, recorder = whole.train(), Recorder()
    monkeypatch.setattr(training_of_a_level, "_SECONDS_IN_A_CALL", 0)
    monkeypatch.setattr(training_of_a_level, "_SECONDS_BETWEEN_REPORTS", 0)
    assert apart.train(recorder).history == undisturbed.history
    assert same(apart.trained_levels[0].weights, whole.trained_levels[0].weights)
    assert [p.iteration for p in recorder.progress_seen] == list(range(1, 21))
    evaluated = [p.iteration for p in recorder.progress_seen if p.validation is not None]
    assert evaluated == [7, 14, 20]
    stopped_stack = [ExperimentState.from_bytes(each).current for each in recorder.checkpoints]
    assert [state and state.iteration for state in stopped_stack] == [*range(1, 20), None]


def test_the_time_of_a_level_includes_the_time_before_its_checkpoint():
    recorder = Recorder()
    model, resumed = (LotteryModel(small(), OWN, SHORT) for _ in range(2))
    model.train(recorder)
    state = ExperimentState.from_bytes(recorder.checkpoints[0])
    assert state.current is not None
    assert state.current.seconds > 0
    state.current.seconds = 5_000
    resumed.restore(state.to_bytes())
    level = resumed.train()
    assert level.seconds > 5_000
    assert level.samples_per_second * level.seconds == pytest.approx(4 * 10 * 20)


def test_a_validation_loss_that_is_not_finite_also_stops_the_training():
    """The first step starts at a finite loss, and leads to weights with an infinite one."""
    linear = keras.Sequential([LotteryLinear(8), LotteryLinear(2)])
    huge = ArrayDataset(np.float32(1e18) * X, Y, normalisation="none")
    wild = {"batch_size": 20, "optimizer": {"kind": "sgd", "learning_rate": 100}}
    with pytest.raises(Diverged, match="the validation loss became"):
        LotteryModel(linear, huge, training(**wild, duration="1it")).train()
    with pytest.raises(Diverged, match="the training loss became"):
        LotteryModel(linear, huge, training(**wild, duration="9it", evaluate_every="9it")).train()
