"""One experiment: levels, masks, weights, interruption and resets."""

import keras
import numpy as np
import pytest

from lth.core.errors import Diverged, SpecError, Stopped
from lth.engine.layers import LotteryConv2D, LotteryLinear
from lth.study.model import LotteryModel
from lth.training.settings import Training
from tests.lth.small import TRAINING, Recorder, network, noisy_network, same

TWO_ROUNDS = {"kind": "geometric", "fraction": 0.5, "rounds": 2}
LATE = {"kind": "rewind", "to": "20it"}


def test_one_shot_keeps_the_exact_share_and_prunes_the_output_layer_at_half_the_rate():
    model = LotteryModel(network(), "digits", TRAINING)
    dense, ticket = model.one_shot(sparsity=0.8)
    assert [layer.kept for layer in ticket.layers] == [round(64 * 24 * 0.2), round(240 * 0.6)]
    assert dense.density == 1
    assert ticket.density == (307 + 144) / (1536 + 240)
    assert ticket.sparsity == 1 - ticket.density


def test_masks_are_nested_and_pruned_weights_are_exactly_zero_at_every_level():
    model = LotteryModel(noisy_network(), "digits", TRAINING)
    model.iterative_pruning(TWO_ROUNDS)
    hidden = [level.result.layers[0].density for level in model.trained_levels]
    assert hidden == [1, 0.5, 0.25]
    before, *_ = model.trained_levels
    for level in model.trained_levels[1:]:
        for place in model.context.places:
            mask = level.masks[place.name]
            assert not np.any(mask & ~before.masks[place.name])
            assert np.all(level.weights[place.kernel][~mask] == 0)
        before = level


def test_a_rewound_ticket_starts_from_the_initial_weights_and_biases():
    """Defect 13."""
    model = LotteryModel(network(), "digits", TRAINING)
    model.train()
    model.prune(sparsity=0.5)
    model.reinit("rewind")
    for place in model.context.places:
        masked = model.initial_weights[place.kernel] * model.masks[place.name]
        assert np.array_equal(model.ticket[place.kernel], masked)
        assert np.array_equal(
            model.ticket[f"{place.name}/bias"], model.initial_weights[f"{place.name}/bias"]
        )


def test_resets_that_change_kernels_restore_biases_and_normalisation():
    """Defect 13."""
    model = LotteryModel(noisy_network(), "digits", TRAINING)
    model.train()
    model.prune(sparsity=0.5)
    others = [path for path in model.ticket if "kernel" not in path and "seed" not in path]
    trained = {path: model.ticket[path] for path in others}
    assert not same(trained, {path: model.initial_weights[path] for path in others})
    for mode in ("jitter", "random", "reshuffle", "constant", "rewind"):
        model.reinit(mode)
        restored = {path: model.ticket[path] for path in others}
        assert same(restored, {path: model.initial_weights[path] for path in others}), mode
    for mode in ("none", "learning_rate"):
        model.reinit(mode)
        assert same({path: model.ticket[path] for path in others}, trained), mode


def test_a_late_rewind_returns_to_the_weights_of_that_step_and_trains_the_rest():
    model = LotteryModel(network(), "digits", TRAINING)
    dense, _, ticket = model.iterative_pruning(TWO_ROUNDS, reinit=LATE)
    whole = TRAINING.iterations(len(model.context.data.train))
    assert (dense.start, ticket.start) == (0, 20)
    assert ticket.history.iterations[0] == 26
    assert ticket.history.iterations[-1] == whole
    assert ticket.samples_per_second * ticket.seconds == pytest.approx((whole - 20) * 60)

    short = Training.model_validate({**TRAINING.model_dump(), "duration": "20it"})
    stopped = LotteryModel(network(), "digits", short)
    stopped.train()
    for place in model.context.places:
        expected = stopped.trained_levels[0].weights[place.kernel] * model.masks[place.name]
        assert np.array_equal(model.ticket[place.kernel], expected)


def test_a_rewind_point_that_was_not_kept_is_reported():
    model = LotteryModel(network(), "digits", TRAINING)
    model.train()
    model.prune(sparsity=0.5)
    with pytest.raises(SpecError, match=r"iteration 20 were not kept, only those of \[0\]"):
        model.reinit(LATE)


def test_steps_out_of_order_are_refused():
    model = LotteryModel(network(), "digits", TRAINING)
    with pytest.raises(SpecError, match="level 0 is not trained yet"):
        model.prune()
    model.train()
    with pytest.raises(SpecError, match="level 0 is trained already"):
        model.train()
    with pytest.raises(SpecError, match="nothing to reset"):
        model.reinit()


def test_equal_seeds_give_equal_bytes_and_other_seeds_do_not():
    one, again, other = (
        LotteryModel(noisy_network(), "digits", TRAINING, seed=seed) for seed in (4, 4, 5)
    )
    for model in (one, again, other):
        model.one_shot(0.5)
    assert same(one.trained_levels[1].weights, again.trained_levels[1].weights)
    assert one.levels[1].history == again.levels[1].history
    assert not same(one.trained_levels[1].weights, other.trained_levels[1].weights)


def test_an_experiment_resumed_from_any_checkpoint_ends_with_the_same_bytes():
    """I3, with dropout, batch normalisation, a late rewind and frozen values."""
    recorder = Recorder()
    asked = {"schedule": TWO_ROUNDS, "reinit": LATE, "pruned_weights": "initial"}
    undisturbed = LotteryModel(noisy_network(), "digits", TRAINING)
    undisturbed.iterative_pruning(**asked, observer=recorder)
    assert len(recorder.checkpoints) >= 5 + 4 + 4
    for checkpoint in recorder.checkpoints[::2]:
        resumed = LotteryModel(noisy_network(), "digits", TRAINING)
        resumed.restore(checkpoint)
        assert resumed.state() == checkpoint
        resumed.iterative_pruning(**asked)
        for one, other in zip(undisturbed.trained_levels, resumed.trained_levels, strict=True):
            assert same(one.weights, other.weights)
            assert same(one.masks, other.masks)
            assert one.result.history == other.result.history
            assert one.result.early_stop == other.result.early_stop


def test_an_observer_can_stop_a_training():
    class Stopping(Recorder):
        def progress(self, progress) -> None:
            raise Stopped("enough")

    with pytest.raises(Stopped, match="enough"):
        LotteryModel(network(), "digits", TRAINING).train(Stopping())


def test_progress_is_reported_at_every_evaluation_point():
    recorder = Recorder()
    model = LotteryModel(network(), "digits", TRAINING)
    result = model.train(recorder)
    evaluated = [p.iteration for p in recorder.progress_seen if p.validation is not None]
    assert tuple(evaluated) == result.history.iterations
    assert recorder.progress_seen[-1].iterations == result.history.iterations[-1] == 60


def test_the_early_stop_is_the_first_minimum_of_the_validation_loss():
    result = LotteryModel(network(), "digits", TRAINING).train()
    losses = result.history.validation_loss
    assert result.early_stop.iteration == result.history.iterations[int(np.argmin(losses))]
    assert result.early_stop.validation.loss == min(losses)


def test_a_loss_that_is_not_finite_stops_the_training():
    wild = {"kind": "sgd", "learning_rate": 100.0, "momentum": 0.9}
    training = Training.model_validate({"duration": "20ep", "optimizer": wild})
    linear = keras.Sequential([keras.layers.Flatten(), LotteryLinear(24), LotteryLinear(10)])
    with pytest.raises(Diverged, match="a smaller learning rate or a warm-up may help"):
        LotteryModel(linear, "digits", training).train()


def test_the_optimizer_keeps_its_settings_and_gets_new_slots_at_each_level():
    """Defect 2: a reset must not fall back to the optimizer's defaults."""
    sgd = {"kind": "sgd", "learning_rate": 0.05, "momentum": 0.9, "nesterov": True}
    training = Training.model_validate({"duration": "2ep", "optimizer": sgd})
    model = LotteryModel(network(), "digits", training)
    model.train()
    model.prune(sparsity=0.01)
    model.reinit("rewind")
    compiled = model.context.program(freezing=False)
    used = compiled.slots
    compiled.load(model.ticket, model.masks)
    config = compiled._optimizer.get_config()
    assert (config["momentum"], config["nesterov"]) == (0.9, True)
    momenta = [path for path in used if "momentum" in path]
    assert momenta
    assert all(np.any(used[path]) and not np.any(compiled.slots[path]) for path in momenta)
    model.train()
    rates = training.learning_rates(len(model.context.data.train))
    assert float(compiled._optimizer.learning_rate) == rates[-1] == np.float32(0.05)


def test_criteria_compare_with_the_start_of_the_current_training():
    """Defect 12: after a random reset, movement is not measured from the first initialisation."""
    model = LotteryModel(network(), "digits", TRAINING)
    model.train()
    model.prune(sparsity=0.2)
    model.reinit("random")
    start = model.ticket["linear_1/kernel"]
    mask = model.masks["linear_1"]
    model.train()
    moved = np.abs(model.trained_levels[1].weights["linear_1/kernel"] - start)
    model.prune("movement", sparsity=0.6)
    kept = model.masks["linear_1"]
    assert moved[kept].min() >= moved[mask & ~kept].max()


def test_other_keras_layers_can_be_between_lottery_layers():
    """Defect 10."""
    layers = [
        LotteryConv2D(4, 3, activation="relu"),
        keras.layers.BatchNormalization(),
        keras.layers.MaxPooling2D(),
        keras.layers.Dropout(0.2),
        keras.layers.Flatten(),
        LotteryLinear(16),
        keras.layers.Activation("relu"),
        keras.layers.GaussianNoise(0.1),
        LotteryLinear(10),
    ]
    model = LotteryModel(keras.Sequential(layers), "digits", TRAINING)
    dense, ticket = model.one_shot(0.5)
    assert [layer.density for layer in ticket.layers] == pytest.approx([0.75, 0.5, 0.75], abs=0.01)
    assert (dense.untrained, ticket.untrained is None) == (None, False)


@pytest.mark.parametrize("pruned_weights", ["initial", "initial_if_grown"])
def test_pruned_weights_can_be_frozen_at_their_initial_value(pruned_weights):
    from lth.spec.document import Method

    model = LotteryModel(network(), "digits", TRAINING)
    method = {
        "pruning": {"schedule": TWO_ROUNDS, "pruned_weights": pruned_weights},
        "reinit": "rewind",
    }
    levels = model.follow(Method.model_validate(method))
    assert levels[-1].untrained is not None
    state = model._runner.state
    for place in model.context.places:
        frozen, mask = state.frozen[place.name], state.masks[place.name]
        initial = model.initial_weights[place.kernel]
        assert np.all(frozen[mask] == 0)
        held = frozen[~mask]
        assert np.all((held == 0) | (held == initial[~mask]))
        share = np.mean(held == initial[~mask])
        assert share == 1 if pruned_weights == "initial" else 0.02 < share < 0.9
        assert np.all(model.trained_levels[-1].weights[place.kernel][~mask] == 0)


def test_results_are_saved_in_the_given_folder(tmp_path):
    model = LotteryModel(network(), "digits", TRAINING)
    model.one_shot(0.5)
    model.save_results(tmp_path / "out")
    with np.load(tmp_path / "out" / "masks.npz") as masks:
        assert same(
            {"level-1/linear_1": masks["level-1/linear_1"]},
            {"level-1/linear_1": model.masks["linear_1"]},
        )
        assert masks["level-1/linear_1"].dtype == np.bool_
    assert (tmp_path / "out" / "plots" / "learning.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("mode", [LATE, "none"])
def test_a_restored_model_trains_its_level_as_it_was_reset(mode):
    decayed = Training.model_validate({**TRAINING.model_dump(), "decay": "cosine"})
    model, restored = (
        LotteryModel(network(), "digits", decayed, keep_weights_at="20it") for _ in range(2)
    )
    model.train()
    model.prune(sparsity=0.5)
    model.reinit(mode)
    restored.restore(model.state())
    assert model.train().history == restored.train().history
