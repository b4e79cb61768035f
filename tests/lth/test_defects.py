"""Defects of the original library; each test fails on the old behavior.

Defects that need Keras are tested with the layers and the engine.
"""

import json

import numpy as np
import pytest
from pydantic import TypeAdapter

from lth.core.errors import SpecError
from lth.pruning.criteria import Criterion
from lth.pruning.masks import PrunableLayer, all_kept, density, prune
from lth.pruning.schedules import Geometric, Linear, OneShot
from lth.pruning.scopes import LayerScope
from lth.reinit import KernelState, Reinit
from lth.results.schemas import LevelResult
from lth.results.statistics import statistic, summarise
from lth.spec.document import parse_spec
from lth.spec.plan import plan
from tests.lth.plots.made_up import run
from tests.lth.small import layer_densities

LAYERWISE = LayerScope(kind="layer")
ONE_SHOT = OneShot(kind="one_shot", sparsity=0.5)


def criterion(kind):
    return TypeAdapter(Criterion).validate_python(kind)


def reset(document, kernel, seed=0):
    return TypeAdapter(Reinit).validate_python(document).reset(kernel, np.random.default_rng(seed))


def layer(initial, final, name="a", role="dense"):
    return PrunableLayer(name, role, np.float32(initial), np.float32(final))


def kernel(rewind, stddev=1.0, **others):
    values = np.float32(rewind)
    fields = {"trained": values, "fresh": values, "mask": np.ones(values.shape, bool), **others}
    return KernelState(rewind=values, stddev=stddev, **fields)


def test_3_a_constant_is_the_deviation_of_its_own_layer():
    layers = [kernel(np.ones((20, 20)), stddev=deviation) for deviation in (0.1, 0.02, 0.3)]
    found = [np.unique(np.abs(reset("constant", each))).tolist() for each in layers]
    assert found == [[np.float32(0.1)], [np.float32(0.02)], [np.float32(0.3)]]


def test_3_a_constant_of_zero_is_used():
    made = reset({"kind": "constant", "value": 0}, kernel([0.5, -0.5], stddev=0.1))
    np.testing.assert_array_equal(made, [0, 0])


def test_4_trials_do_not_share_signs():
    """Each trial has its own seed, and a new draw keeps no signs by default."""
    runs = plan(parse_spec({"kind": "robust", "trials": 5, "experiments": [{"name": "a"}]}))
    assert len({each.seed for each in runs if each.experiment == "a"}) == 5
    rng = np.random.default_rng(0)
    initial, fresh = rng.normal(size=(2, 10_000)).astype(np.float32)
    made = reset("random", kernel(initial, fresh=fresh))
    assert np.mean(np.sign(made) == np.sign(initial)) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("rounds", [1, 2, 5])
def test_5_iterative_large_init_large_final_reaches_the_sparsity(rounds):
    rng = np.random.default_rng(0)
    layers = [layer(*rng.normal(size=(2, 1_000)))]
    schedule = Geometric(kind="geometric", sparsity=0.9, rounds=rounds)
    masks = all_kept(layers)
    for level in range(1, rounds + 1):
        masks = prune(
            layers, masks, criterion("large_init_large_final"), schedule, LAYERWISE, level, 0
        )
    assert density(masks) == pytest.approx(0.1)


def test_6_iterative_schedules_are_linear_or_geometric():
    linear = Linear(kind="linear", sparsity=0.75, rounds=3).densities(1.0)
    geometric = Geometric(kind="geometric", fraction=0.25, rounds=3).densities(1.0)
    assert linear == pytest.approx((0.75, 0.5, 0.25))
    assert geometric == pytest.approx((0.75, 0.5625, 0.421875))


def test_7_the_output_layer_is_pruned_by_half_of_the_fraction_in_each_round():
    """Seven rounds leave 0.9 ** 7 of the weights, not 1 - (1 - 0.8 ** 7) / 2."""
    weights = np.random.default_rng(0).normal(size=(2, 100_000))
    layers = [layer(*weights, role="output")]
    schedule = Geometric(kind="geometric", fraction=0.2, rounds=7)
    masks = prune(layers, all_kept(layers), criterion("large_final"), schedule, LAYERWISE, 7, 0)
    assert density(masks) == pytest.approx(0.9**7, abs=1e-5)


def test_7_the_output_layer_does_not_depend_on_the_order_of_variables():
    weights = np.random.default_rng(0).normal(size=(2, 100))
    layers = [layer(*weights, name="first", role="output"), layer(*weights, name="last")]
    masks = prune(layers, all_kept(layers), criterion("large_final"), ONE_SHOT, LAYERWISE, 1, 0)
    assert layer_densities(masks) == {"first": 0.75, "last": 0.5}


@pytest.mark.parametrize("kind", ["large_final", "magnitude_increase", "large_final_same_sign"])
def test_8_ties_are_pruned_only_to_the_sparsity(kind):
    layers = [layer(np.full(100, 0.5), np.full(100, 0.7))]
    masks = prune(layers, all_kept(layers), criterion(kind), ONE_SHOT, LAYERWISE, 1, 0)
    assert density(masks) == 0.5


def test_8_many_scores_of_zero_are_pruned_only_to_the_sparsity():
    """90 of 100 weights changed their sign, so most kept weights have a score of zero."""
    initial, final = np.ones(100), np.concatenate([np.arange(1, 11), -np.ones(90)])
    layers = [layer(initial, final)]
    same_sign = criterion("large_final_same_sign")
    masks = prune(layers, all_kept(layers), same_sign, ONE_SHOT, LAYERWISE, 1, 0)
    assert density(masks) == 0.5
    assert masks["a"][:10].all()


def test_8_a_weight_with_an_initial_value_of_zero_can_be_scored():
    layers = [layer([0, -0.0, 1, -1], [1, 1, 2, -2])]
    for kind in ("large_final_same_sign", "magnitude_increase_same_sign", "large_final_diff_sign"):
        masks = prune(layers, all_kept(layers), criterion(kind), ONE_SHOT, LAYERWISE, 1, 0)
        assert masks["a"].sum() == 2


def test_9_pruned_weights_stay_pruned():
    layers = [layer(np.ones(4), [1, 2, 3, 4])]
    first = prune(layers, all_kept(layers), criterion("large_final"), ONE_SHOT, LAYERWISE, 1, 0)
    revived = [layer(np.ones(4), [9, 8, 3, 4])]
    quarter = OneShot(kind="one_shot", sparsity=0.75)
    second = prune(revived, first, criterion("large_final"), quarter, LAYERWISE, 1, 0)
    assert list(second["a"]) == [False, False, False, True]


def test_12_criteria_compare_with_the_start_of_the_current_training():
    """`initial` is the start of the current training, not the first initialisation."""
    final = [1.0, 1.0]
    movement = criterion("movement")
    for started_from, kept in (([0.0, 0.9], [True, False]), ([0.9, 0.0], [False, True])):
        layers = [layer(started_from, final)]
        masks = prune(layers, all_kept(layers), movement, ONE_SHOT, LAYERWISE, 1, 0)
        assert list(masks["a"]) == kept


@pytest.mark.parametrize("kind", ["rewind", "jitter", "random", "reshuffle", "constant"])
def test_13_other_resets_also_restore_biases(kind):
    assert TypeAdapter(Reinit).validate_python(kind).restores


def test_13_jitter_can_keep_signs():
    rewind = np.random.default_rng(0).normal(size=1_000)
    made = reset({"kind": "jitter", "noise": 5, "keep_sign": True}, kernel(rewind))
    np.testing.assert_array_equal(np.sign(made), np.sign(rewind))


def test_14_a_weight_of_zero_is_not_a_pruned_weight():
    """A survivor may be exactly zero; only the mask decides what is pruned."""
    layers = [layer([0.5, 0.5, 0.5], [0.0, 3.0, 2.0])]
    keep_two = OneShot(kind="one_shot", sparsity=1 / 3)
    increase = criterion("small_final")
    masks = prune(layers, all_kept(layers), increase, keep_two, LAYERWISE, 1, 0)
    assert list(masks["a"]) == [True, False, True]
    assert density(masks) == pytest.approx(2 / 3)
    dealt = reset("reshuffle", kernel([0.0, 1.0, 2.0], mask=masks["a"]))
    assert sorted(dealt[masks["a"]]) == [0, 2]


def test_15_trials_of_different_experiments_are_not_averaged():
    one, other = run(trial=1), run(trial=2).model_copy(update={"method": "another"})
    with pytest.raises(SpecError, match="not of the same experiment"):
        summarise([one, other])
    with pytest.raises(SpecError, match="not of the same experiment"):
        summarise([run([1.0, 0.5], trial=1), run([1.0, 0.4], trial=2)])


def test_15_the_deviation_is_that_of_a_sample():
    assert statistic([1.0, 3.0]).stddev == pytest.approx(2**0.5)


def test_15_all_rounds_are_summarised():
    trials = [run([1.0, 0.8, 0.64, 0.512], trial=trial) for trial in (1, 2)]
    (experiment,) = summarise(trials).experiments
    assert [level.level for level in experiment.levels] == [0, 1, 2, 3]


def test_16_rounds_of_almost_equal_density_are_separate():
    """Levels are counted, not named by rounded percentages."""
    result = run([1.0, 0.0119, 0.0118, 0.0117])
    assert [level.level for level in result.levels] == [0, 1, 2, 3]
    (experiment,) = summarise([result]).experiments
    assert len(experiment.levels) == 4


def test_17_there_are_a_validation_set_an_early_stop_and_a_seed():
    fields = LevelResult.model_json_schema()["properties"]
    assert {"early_stop", "final", "history"} <= set(fields)
    spec = parse_spec({"kind": "model"})
    assert spec.dataset.validation > 0
    assert {each.seed for each in plan(spec)} != {
        each.seed for each in plan(parse_spec({"kind": "model", "seed": 1}))
    }


def test_17_results_are_json():
    result = run()
    assert type(result).model_validate(json.loads(result.model_dump_json())) == result
