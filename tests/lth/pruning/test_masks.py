import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import TypeAdapter

from lth.core.errors import Diverged, NothingToPrune, SpecError
from lth.core.family import kind_of, members
from lth.networks import place
from lth.networks.presets import Conv2, Lenet300100
from lth.pruning.criteria import Criterion
from lth.pruning.masks import PrunableLayer, all_kept, density, largest, prune
from lth.pruning.schedules import Geometric, Linear, OneShot
from lth.pruning.scopes import GlobalScope, LayerScope
from tests.lth.small import layer_densities

LARGE_FINAL = TypeAdapter(Criterion).validate_python("large_final")
PER_LAYER, EVERYWHERE = LayerScope(kind="layer"), GlobalScope(kind="global")
KINDS = [kind_of(member) for member in members(Criterion)]


def one_shot(sparsity):
    return OneShot(kind="one_shot", sparsity=sparsity)


def layer(*final, name="a", role="dense", initial=None):
    weights = np.array(final, np.float32)
    start = weights if initial is None else np.array(initial, np.float32)
    return PrunableLayer(name, role, start, weights)


def pruned(layers, sparsity, scope=PER_LAYER, criterion=LARGE_FINAL, seed=0):
    return prune(layers, all_kept(layers), criterion, one_shot(sparsity), scope, 1, seed)


def made_up(network, shape):
    """Random weights in the kernels of a preset."""
    rng = np.random.default_rng(0)
    kernels = [placed.kernel_shape for placed in place(network, shape, 10) if placed.kernel_shape]
    roles = ["convolution" if len(kernel) == 4 else "dense" for kernel in kernels]
    roles[-1] = "output"
    return [
        PrunableLayer(f"{number}", role, *rng.normal(size=(2, *kernel)).astype(np.float32))
        for number, (role, kernel) in enumerate(zip(roles, kernels, strict=True))
    ]


@pytest.mark.parametrize(
    ("network", "shape", "ladder"),
    [
        (
            Lenet300100(kind="lenet-300-100"),
            (28, 28, 1),
            {3: "51.28", 7: "21.07", 9: "13.52", 15: "3.58", 18: "1.85", 20: "1.19"},
        ),
        (Conv2(kind="conv-2"), (32, 32, 3), {11: "8.81", 14: "4.57"}),
    ],
    ids=["LeNet", "Conv-2"],
)
def test_densities_agree_with_the_papers_to_the_printed_digit(network, shape, ladder):
    layers = made_up(network, shape)
    schedule = Geometric(kind="geometric", fraction=0.2, rounds=max(ladder))
    masks, seen = all_kept(layers), {}
    for level in range(1, max(ladder) + 1):
        masks = prune(layers, masks, LARGE_FINAL, schedule, PER_LAYER, level, seed=0)
        seen[level] = f"{100 * density(masks):.2f}"
    assert {level: seen[level] for level in ladder} == ladder


def test_the_largest_weights_are_kept():
    masks = pruned([layer([0.1, -0.9], [0.5, -0.2])], 0.5)
    np.testing.assert_array_equal(masks["a"], [[False, True], [True, False]])


@given(
    final=arrays(np.float32, st.integers(1, 60), elements=st.sampled_from([0.0, -0.0, 0.5, 1, -2])),
    sparsity=st.floats(0.01, 0.99),
    seed=st.integers(0, 9),
)
@settings(max_examples=25)
@pytest.mark.parametrize("kind", KINDS)
def test_exactly_k_weights_are_kept_with_any_number_of_ties(kind, final, sparsity, seed):
    criterion = TypeAdapter(Criterion).validate_python(kind)
    layers = [PrunableLayer("a", "dense", final[::-1].copy(), final, final)]
    masks = pruned(layers, sparsity, criterion=criterion, seed=seed)
    wanted = max(1, int(np.floor(round(final.size * (1 - sparsity), 6) + 0.5)))
    assert np.count_nonzero(masks["a"]) == wanted


@given(
    first=arrays(np.float32, 30, elements=st.floats(-2, 2, width=32)),
    second=arrays(np.float32, 30, elements=st.floats(-2, 2, width=32)),
    scope=st.sampled_from([PER_LAYER, EVERYWHERE]),
)
@settings(max_examples=25)
@pytest.mark.parametrize("kind", KINDS)
def test_pruned_weights_stay_pruned(kind, first, second, scope):
    criterion = TypeAdapter(Criterion).validate_python(kind)
    schedule = Geometric(kind="geometric", fraction=0.3, rounds=4)
    names = {"a": slice(0, 20), "b": slice(20, 30)}
    masks = {name: np.ones(len(first[part]), np.bool_) for name, part in names.items()}
    for level in range(1, 5):
        # Training changes all weights between levels, including pruned ones.
        final = first if level % 2 else second
        layers = [
            PrunableLayer(name, "dense", second[part], final[part], first[part])
            for name, part in names.items()
        ]
        after = prune(layers, masks, criterion, schedule, scope, level, seed=1)
        assert all((after[name] <= masks[name]).all() for name in names)
        masks = after


def test_ties_are_broken_only_by_the_seed():
    layers = [layer(*np.ones(100))]
    once, again, other = (pruned(layers, 0.5, seed=seed)["a"] for seed in (3, 3, 4))
    np.testing.assert_array_equal(once, again)
    assert not np.array_equal(once, other)


@pytest.mark.parametrize(
    ("scope", "kind", "kept"),
    [
        (PER_LAYER, "large_final", {"a": [1, 2, 3, 6], "b": [0, 2, 3, 6]}),
        (EVERYWHERE, "large_final", {"a": [1, 2, 3, 4, 5], "b": [0, 1, 6]}),
        (PER_LAYER, "random", {"a": [1, 2, 3, 6], "b": [0, 2, 3, 4]}),
    ],
)
def test_random_masks_are_the_same_on_every_machine_and_version(scope, kind, kept):
    """All existing results depend on these masks; they must not change."""
    criterion = TypeAdapter(Criterion).validate_python(kind)
    layers = [layer(*np.ones(8), name=name) for name in "ab"]
    masks = pruned(layers, 0.5, scope, criterion, seed=3)
    assert {name: np.flatnonzero(mask).tolist() for name, mask in masks.items()} == kept


def test_ties_are_broken_differently_in_each_layer_and_at_each_level():
    layers = [layer(*np.ones(100), name=name) for name in "ab"]
    masks = pruned(layers, 0.5)
    assert not np.array_equal(masks["a"], masks["b"])
    linear = Linear(kind="linear", sparsity=0.5, rounds=2)
    at_two = prune(layers, all_kept(layers), LARGE_FINAL, linear, PER_LAYER, 2, seed=0)
    assert not np.array_equal(masks["a"], at_two["a"])


def test_ties_are_broken_evenly():
    """Over many seeds, all tied weights are kept about equally often."""
    layers = [layer(*np.ones(10))]
    often = sum(pruned(layers, 0.5, seed=seed)["a"].astype(int) for seed in range(400))
    assert often.min() > 150
    assert often.max() < 250


@given(
    first=arrays(np.float32, (4, 5), elements=st.floats(-9, 9, width=32), unique=True),
    second=arrays(np.float32, 30, elements=st.floats(-9, 9, width=32), unique=True),
    sparsity=st.floats(0.05, 0.95),
)
def test_global_pruning_sorts_the_weights_of_all_layers_together(first, second, sparsity):
    masks = pruned(
        [layer(*first, name="a"), layer(*second, name="b", role="output")], sparsity, EVERYWHERE
    )
    kept = np.concatenate([masks["a"].ravel(), masks["b"]])
    scores = np.abs(np.concatenate([first.ravel(), second]))
    assert kept.sum() == max(2, int(np.floor(round(50 * (1 - sparsity), 6) + 0.5)))
    if masks["a"].sum() > 1 and masks["b"].sum() > 1:
        assert scores[kept].min() >= scores[~kept].max()


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_global_pruning_keeps_a_weight_of_every_layer(order):
    layers = {"a": layer(9, 8, 7, 6, name="a"), "b": layer(0.1, 0.2, name="b")}
    masks = pruned([layers[name] for name in order], 0.5, EVERYWHERE)
    assert {name: list(mask) for name, mask in masks.items()} == {
        "a": [True, True, False, False],
        "b": [False, True],
    }


def test_global_pruning_continues_with_an_empty_layer():
    layers = [layer(1, 2, 3, 4, name="a"), layer(5, 6, name="b")]
    before = {"a": np.ones(4, np.bool_), "b": np.zeros(2, np.bool_)}
    after = prune(layers, before, LARGE_FINAL, one_shot(0.5), EVERYWHERE, 1, seed=0)
    assert {name: list(mask) for name, mask in after.items()} == {
        "a": [False, True, True, True],
        "b": [False, False],
    }


def test_at_least_one_weight_of_every_layer_is_kept():
    masks = pruned([layer(1, 2, 3, name="a"), layer(1, 2, 3, name="b", role="output")], 0.99)
    assert [mask.sum() for mask in masks.values()] == [1, 2]


def test_global_pruning_can_exclude_the_output_layer():
    scope = GlobalScope(kind="global", output=False)
    masks = pruned([layer(1, 2, 3, 4, name="a"), layer(0, 0, name="b", role="output")], 0.5, scope)
    assert list(masks["a"]) == [False, False, True, True]
    assert masks["b"].all()


def test_rates_depend_on_the_role_of_a_layer():
    scope = LayerScope(kind="layer", dense=1.0, convolution=0.5, output=0.25)
    layers = [
        layer(*range(20), name=role, role=role) for role in ("dense", "convolution", "output")
    ]
    assert layer_densities(pruned(layers, 0.8, scope)) == {
        "dense": 0.2,
        "convolution": 0.6,
        "output": 0.8,
    }


def test_the_default_rates_give_the_one_shot_densities_of_lenet():
    densities = layer_densities(
        pruned(made_up(Lenet300100(kind="lenet-300-100"), (28, 28, 1)), 0.8)
    )
    assert list(densities.values()) == [0.2, 0.2, 0.6]


def test_a_layer_with_rate_zero_is_not_pruned():
    scope = LayerScope(kind="layer", dense=0.0)
    masks = pruned([layer(0, 0, 1), layer(0, 0, 1, name="b", role="output")], 0.9, scope)
    assert masks["a"].all()
    assert not masks["b"].all()


def test_a_half_is_rounded_up_despite_floating_point_errors():
    # 15 x (1 - 0.9) is 1.4999999999999996 in floats, but exactly 1.5.
    wide = [layer(*range(15))]
    assert pruned(wide, 0.9)["a"].sum() == 2


def test_a_layer_with_fewer_survivors_than_requested_keeps_them_all():
    layers = [layer(1, 2, 3, 4)]
    before = {"a": np.array([True, False, False, False])}
    after = prune(layers, before, LARGE_FINAL, one_shot(0.5), PER_LAYER, 1, seed=0)
    np.testing.assert_array_equal(after["a"], before["a"])


def test_the_given_masks_are_not_changed():
    layers = [layer(1, 2, 3, 4)]
    before = all_kept(layers)
    prune(layers, before, LARGE_FINAL, one_shot(0.5), PER_LAYER, 1, seed=0)
    assert before["a"].all()


def test_negative_zero_ties_with_zero():
    kept = sum(pruned([layer(0.0, -0.0)], 0.5, seed=seed)["a"].astype(int) for seed in range(60))
    assert kept.min() > 15


def test_weights_that_are_not_finite_are_refused():
    with pytest.raises(Diverged, match="trained weights of a are not finite"):
        pruned([layer(1, np.nan, 3)], 0.5)


def test_scores_that_are_not_finite_are_refused():
    class Broken(type(LARGE_FINAL)):
        def scores(self, weights, rng):
            return np.array([1.0, np.nan, np.inf])

    with pytest.raises(SpecError, match="2 scores that are not finite for a"):
        pruned([layer(1, 2, 3)], 0.5, criterion=Broken(kind="large_final"))


def test_scores_of_another_shape_are_refused():
    class Short(type(LARGE_FINAL)):
        def scores(self, weights, rng):
            return weights.final[:-1]

    with pytest.raises(SpecError, match=r"shape \[2\] for 3 weights of a"):
        pruned([layer(1, 2, 3)], 0.5, criterion=Short(kind="large_final"))


def test_a_criterion_that_scores_gradients_requires_them():
    snip = TypeAdapter(Criterion).validate_python("snip")
    with pytest.raises(SpecError, match="'snip' scores gradients, but none was given"):
        pruned([layer(1, 2, 3)], 0.5, criterion=snip)


def test_nothing_to_prune_is_an_error():
    with pytest.raises(NothingToPrune, match="lottery layer"):
        pruned([], 0.5)


@pytest.mark.parametrize(
    "scope", [GlobalScope(kind="global", output=False), LayerScope(kind="layer", output=0)]
)
def test_a_scope_that_excludes_all_layers_is_an_error(scope):
    with pytest.raises(NothingToPrune, match=r"rates are 0 for all layers .* \(output\)"):
        pruned([layer(1, 2, 3, role="output")], 0.5, scope)


def test_only_survivors_are_scored():
    """The value of a pruned weight does not affect the ranking."""
    seen = []

    class Watching(type(LARGE_FINAL)):
        def scores(self, weights, rng):
            seen.append((weights.final.tolist(), weights.keep))
            return super().scores(weights, rng)

    before = {"a": np.array([True, False, True, True])}
    watching = Watching(kind="large_final")
    prune([layer(1, 99, 2, 3)], before, watching, one_shot(0.5), PER_LAYER, 1, seed=0)
    assert seen == [([1, 2, 3], 2)]


@given(
    scores=arrays(np.float32, st.integers(1, 50), elements=st.integers(-3, 3)),
    data=st.data(),
)
def test_largest_is_a_sort_with_shuffled_ties(scores, data):
    count = data.draw(st.integers(1, scores.size))
    chosen = largest(scores, count, np.random.default_rng(0))
    assert chosen.sum() == count
    assert sorted(scores[chosen]) == sorted(scores)[scores.size - count :]
