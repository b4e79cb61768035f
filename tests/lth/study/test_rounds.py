"""From one level to the next: random streams, compared weights, kept state."""

from itertools import combinations, pairwise

import keras
import numpy as np
import pytest

from lth import LotteryLinear, LotteryModel, LotterySession
from lth.experiment.state import ExperimentState
from lth.pruning.controls import ShuffledMask
from tests.lth.own import OWN, SHORT, small
from tests.lth.small import same

KERNELS = ("linear_1/kernel", "linear_2/kernel")
TWO_ROUNDS = {"kind": "geometric", "fraction": 0.3, "rounds": 2}


def pruned(trial: int = 1, criterion: str = "large_final", sparsity: float = 0.1) -> LotteryModel:
    """A model that is pruned and not reset yet."""
    model = LotteryModel(small(), OWN, SHORT, trial=trial)
    model.train()
    model.prune(criterion, sparsity=sparsity)
    return model


def another_level(model: LotteryModel, mode: str, sparsity: float = 0.2) -> LotteryModel:
    model.train()
    model.prune(sparsity=sparsity)
    model.reinit(mode)
    return model


def drawn(model: LotteryModel, mode: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """The values that a reset drew for the survivors of each layer, and the mask."""
    ticket, initial = model.ticket, model.initial_weights
    base = initial if mode == "jitter" else dict.fromkeys(KERNELS, np.float32(0))
    return [
        ((ticket[kernel] - base[kernel]).ravel(), model.masks[kernel.split("/")[0]].ravel())
        for kernel in KERNELS
    ]


def agree(one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> bool:
    """Whether two draws are equal up to their scale, where both have survivors."""
    size = min(one[0].size, other[0].size)
    both = one[1][:size] & other[1][:size]
    return abs(np.corrcoef(one[0][:size][both], other[0][:size][both])[0, 1]) > 0.7


@pytest.mark.parametrize("mode", ["jitter", "random", "constant"])
def test_a_reset_draws_new_values_in_every_layer_level_and_trial(mode):
    first, second = pruned(), pruned(trial=2)
    for model in (first, second):
        model.reinit(mode)
    draws = [*drawn(first, mode), *drawn(second, mode), *drawn(another_level(first, mode), mode)]
    assert not any(agree(one, other) for one, other in combinations(draws, 2))


def test_constants_are_the_deviations_of_the_initial_weights_of_each_layer():
    """Defect 3, for a whole network."""
    model = pruned()
    model.reinit("constant")
    for kernel, (values, kept) in zip(KERNELS, drawn(model, "constant"), strict=True):
        assert np.unique(np.abs(values[kept])) == np.std(model.initial_weights[kernel])


def test_only_survivors_are_reshuffled():
    model = another_level(pruned(sparsity=0.3), "reshuffle", 0.6)
    for kernel in KERNELS:
        mask = model.masks[kernel.split("/")[0]]
        dealt, initial = model.ticket[kernel], model.initial_weights[kernel]
        assert np.array_equal(np.sort(dealt[mask]), np.sort(initial[mask]))
        assert not np.array_equal(dealt[mask], initial[mask])
        assert not dealt[~mask].any()


def test_a_random_criterion_keeps_other_weights_in_every_trial():
    one, other = (pruned(trial, "random", 0.5) for trial in (1, 2))
    assert not same(one.masks, other.masks)


def test_gradients_are_computed_at_the_start_of_the_current_training():
    model = pruned(sparsity=0.2)
    model.reinit("random")
    before, start = model.masks["linear_1"], model.ticket
    program = model.context.program(freezing=False)
    program.load(start, model.masks)
    gradient = program.gradients(model.context.data)["linear_1/kernel"]
    scores = np.abs(gradient * start["linear_1/kernel"])
    model.train()
    model.prune("snip", sparsity=0.6)
    kept = model.masks["linear_1"]
    assert scores[kept].min() >= scores[before & ~kept].max()


def test_one_shot_gives_the_result_of_its_manual_steps():
    method = {
        "sparsity": 0.6,
        "criterion": "movement",
        "scope": "global",
        "pruned_weights": "initial",
    }
    whole, by_hand, plain = (LotteryModel(small(), OWN, SHORT) for _ in range(3))
    whole.one_shot(**method, reinit="none")
    by_hand.train()
    by_hand.prune(**method)
    by_hand.train()
    states = [ExperimentState.from_bytes(model.state()) for model in (whole, by_hand)]
    for one, other in combinations(states, 2):
        assert one.frozen is not None
        assert other.frozen is not None
        assert same(one.frozen, other.frozen)
        assert same(one.finished[1].weights, other.finished[1].weights)
    for name, default in {"criterion": "large_final", "scope": "layer"}.items():
        plain = LotteryModel(small(), OWN, SHORT)
        plain.one_shot(**{**method, name: default})
        assert not same(plain.masks, whole.masks), name


def test_weights_frozen_at_their_initial_values_affect_the_training():
    frozen, zeroed = (LotteryModel(small(), OWN, SHORT) for _ in range(2))
    frozen.one_shot(0.5, pruned_weights="initial")
    zeroed.one_shot(0.5)
    assert same(frozen.ticket, zeroed.ticket)
    assert frozen.levels[1].history != zeroed.levels[1].history


def test_frozen_weights_stay_frozen_when_more_weights_are_pruned():
    model = LotteryModel(small(), OWN, SHORT)
    model.train()
    held = []
    for sparsity in (0.4, 0.8):
        model.prune(sparsity=sparsity, pruned_weights="initial_if_grown")
        model.reinit()
        held.append((model.masks, ExperimentState.from_bytes(model.state()).frozen))
        model.train()
    (first, before), (_, after) = held
    for name, mask in first.items():
        assert before[name].any()
        assert np.array_equal(after[name][~mask], before[name][~mask])


def test_all_requested_rewind_points_are_kept_from_the_dense_training():
    model = LotteryModel(small(), OWN, SHORT, keep_weights_at=["20it", "21it"])
    model.train()
    dense = ExperimentState.from_bytes(model.state()).rewinds
    assert sorted(dense) == [0, 20, 21]
    model = LotteryModel(small(), OWN, SHORT, keep_weights_at=["20it", "21it"])
    model.iterative_pruning(TWO_ROUNDS, reinit={"kind": "rewind", "to": "22it"})
    kept = ExperimentState.from_bytes(model.state()).rewinds
    assert sorted(kept) == [0, 20, 21, 22]
    assert all(same(kept[step], dense[step]) for step in (20, 21))


def test_a_rewind_point_that_was_not_kept_is_refused_and_another_method_works():
    model = LotteryModel(small(), OWN, SHORT)
    model.train()
    with pytest.raises(ValueError, match=r"iteration 3 were not kept, only those of \[0\]"):
        model.one_shot(0.5, reinit={"kind": "rewind", "to": "3it"})
    assert [level.level for level in model.one_shot(0.5)] == [0, 1]


def test_another_reset_is_refused_as_another_method():
    model = LotteryModel(small(), OWN, SHORT)
    model.one_shot(0.5)
    with pytest.raises(ValueError, match="the network was pruned in another way before"):
        model.one_shot(0.5, reinit="random")


def test_the_dense_training_can_be_shared_from_any_level():
    model = LotteryModel(small(), OWN, SHORT, keep_weights_at="20it")
    model.train()
    dense = model.trunk()
    model.iterative_pruning(TWO_ROUNDS)
    assert model.trunk() == dense


def test_a_control_follows_its_ticket_level_by_level_with_nested_masks():
    session = LotterySession(small(), OWN, SHORT)
    kinds = ("random_weights", "shuffled_mask", "random_mask")
    controls = [{"name": kind, "control": {"kind": kind, "of": "ticket"}} for kind in kinds]
    session.run([{"name": "ticket", "pruning": {"schedule": TWO_ROUNDS}}, *controls])
    ticket, *others = (session.experiment(name).trained_levels for name in ("ticket", *kinds))
    for levels in others:
        assert len(levels) == len(ticket) == 3
        for own, its in zip(levels, ticket, strict=True):
            assert own.result.density == its.result.density
        for before, after in pairwise(levels):
            assert not any((after.masks[name] & ~mask).any() for name, mask in before.masks.items())
    assert all(same(own.masks, its.masks) for own, its in zip(others[0], ticket, strict=True))


def test_a_control_draws_other_masks_in_every_trial():
    rng = np.random.default_rng(0)
    masks = {1: {"linear_1": rng.random((6, 16)) < 0.5, "linear_2": rng.random((16, 2)) < 0.5}}
    shuffled = ShuffledMask(kind="shuffled_mask", of="ticket")
    models = [LotteryModel(small(), OWN, SHORT, trial=trial) for trial in (1, 2)]
    for model in models:
        model.follow_control(shuffled, masks)
    assert not same(models[0].masks, models[1].masks)


def test_a_fresh_kernel_depends_on_its_layer_the_level_and_the_trial():
    layers = [LotteryLinear(6), LotteryLinear(6, kernel_initializer="ones"), LotteryLinear(6)]
    model = LotteryModel(keras.Sequential([*layers, LotteryLinear(2)]), OWN, SHORT)
    blueprint, (a, ones, b, _) = model.context.blueprint, model.context.places
    draws = [
        blueprint.fresh_kernel(*which) for which in ((a, 1, 1), (a, 1, 2), (a, 2, 1), (b, 1, 1))
    ]
    draws += [model.initial_weights[place.kernel] for place in (a, b)]
    assert len({draw.tobytes() for draw in draws}) == 6
    assert np.all(blueprint.fresh_kernel(ones, 1, 1) == 1)
