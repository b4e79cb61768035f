"""The library in a notebook: its steps, and its error messages."""

import keras
import numpy as np
import pytest

from lth import (
    ArrayDataset,
    LotteryLinear,
    LotteryModel,
    LotteryRobust,
    LotterySession,
    Printing,
)
from lth.datasets import Digits
from lth.pruning.criteria import LargeFinal
from lth.study.display import table_html
from tests.lth.own import OWN, SHORT, X, Y, refused, small
from tests.lth.small import TRAINING, network, noisy_network, same

TICKET = {"name": "ticket", "pruning": {"schedule": {"kind": "one_shot", "sparsity": 0.5}}}
CONTROL = {"name": "control", "control": {"kind": "random_weights", "of": "ticket"}}


def test_errors_say_what_is_wrong_and_what_is_expected():
    model = LotteryModel(small(), OWN, SHORT)
    refused("nothing to plot: no level is finished; call train", model.plot_learning)
    refused("level 0 is not finished; none is; call train", model.plot_weights)
    model.train()
    refused("pruning/criterion: 'large_fnal' .*'large_final', perhaps", model.prune, "large_fnal")
    refused("pruning/schedule/sparsity: .*less than 1 .found 80; exp", model.prune, sparsity=80)
    refused("the criterion '<lambda>' failed: TypeError", model.prune, criterion=lambda w: w)
    refused("criterion: this is no object .found a class;", model.prune, LargeFinal)
    refused("pruning/scope: 'globl' .*'global', perhaps", model.one_shot, scope="globl")
    refused("level 3 is not finished; there are 0 to 0", model.plot_weights, 3)
    refused("level is -1; expected a whole number from 0 on", model.network, -1)
    refused("no lottery layer is called 'x'; there are: linear_1, linear_2", model.plot_mask, "x")
    model.prune()
    refused("mode: 'rewnd' .*'rewind', perhaps", model.reinit, "rewnd")
    refused("mode/noise: .* .found 0; expected", model.reinit, {"kind": "jitter", "noise": 0})
    refused(
        r"experiments/0: .*\(found 'ticket'; expected",
        LotterySession(small(), OWN).run,
        ["ticket"],
    )


def test_a_manual_step_that_prunes_nothing_is_refused():
    """Otherwise the level is trained again, and counted as another one."""
    model = LotteryModel(small(), OWN, SHORT)
    model.train()
    model.prune(sparsity=0.8)
    model.train()
    before = model.state()
    refused(
        "0.5 prunes nothing more: 0.7031 of all weights are .*; give a larger",
        model.prune,
        sparsity=0.5,
    )
    assert model.state() == before


def test_rewind_points_outside_the_level_are_refused():
    kept = LotteryModel(small(), OWN, SHORT, keep_weights_at="3it")
    kept.train()
    kept.prune()
    kept.reinit({"kind": "rewind", "to": "3it"})
    refused("keep_weights_at/0: '5'", LotteryModel, small(), OWN, SHORT, keep_weights_at=["5"])
    refused(
        "a reset cannot return to '4ep'", LotteryModel, small(), OWN, SHORT, keep_weights_at=["4ep"]
    )
    model = LotteryModel(small(), OWN, SHORT)
    late = {"kind": "rewind", "to": "9ep"}
    refused(
        "a reset cannot return to '9ep': a level of '4ep' ends after 40",
        model.one_shot,
        reinit=late,
    )
    assert model.levels == ()


def test_a_second_method_cannot_continue_the_first():
    model = LotteryModel(small(), OWN, SHORT)
    first = model.one_shot(0.5)
    assert model.one_shot(0.5) == first
    refused("pruned in another way before, and is at level 1", model.one_shot, 0.9)
    three = {"kind": "geometric", "fraction": 0.4, "rounds": 3}
    refused("pruned in another way before", model.iterative_pruning, three)
    model.prune(sparsity=0.9)
    model.train()
    refused("pruned in another way before, and is at level 2", model.one_shot, 0.5)


def test_pruned_weights_can_be_frozen_at_their_initial_values():
    model = LotteryModel(small(), OWN, SHORT)
    _, ticket = model.one_shot(0.5, pruned_weights="initial")
    plain = LotteryModel(small(), OWN, SHORT)
    _, zeroed = plain.one_shot(0.5)
    assert ticket.density == zeroed.density
    assert ticket.untrained != zeroed.untrained


def test_a_session_refuses_contradictions_before_it_trains():
    session = LotterySession(small(), OWN, SHORT)
    refused("experiments/0/nam: there is no such field", session.run, [{"nam": "a"}])
    refused("names of experiments must differ, but 'ticket'", session.run, [TICKET, TICKET])
    refused("follows 'ticket', which is no ticket", session.run, [CONTROL])
    both = {**CONTROL, "pruning": {"criterion": "movement"}}
    refused("experiments/1/pruning: there is no such field", session.run, [TICKET, both])
    late = {**TICKET, "reinit": {"kind": "rewind", "to": "4ep"}}
    refused("a reset cannot return to '4ep'", session.run, [late])
    assert session.trunk is None
    session.run([TICKET])
    session.run([CONTROL])
    other = {**TICKET, "reinit": "random"}
    refused("there is an experiment 'ticket' already", session.run, [other])


def test_an_untrained_experiment_is_neither_plotted_nor_saved(tmp_path):
    session = LotterySession(small(), OWN, SHORT)
    refused("nothing to plot: no result", session.plot_sparsity)
    refused(
        "nothing to save: no level is finished",
        session.new_experiment("new").save_results,
        tmp_path,
    )
    session.new_experiment("trained").train()
    assert [result.experiment for result in session.results] == ["trained"]
    session.plot_sparsity()
    session.save_results(tmp_path)
    saved = sorted(path.name for path in tmp_path.iterdir())
    assert saved == ["levels.csv", "plots", "summary.json", "trained"]


def test_a_checkpoint_of_another_network_is_refused():
    model = LotteryModel(small(), OWN, SHORT)
    other = keras.Sequential([LotteryLinear(17, "relu"), LotteryLinear(2)])
    refused(
        r"of another network; differing: \['linear_1/bias', 'linear_1/kernel', 'linear_2/kernel'\]",
        LotteryModel(other, OWN, SHORT).restore,
        model.state(),
    )


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"trial": 2}, r"the trial's seed was \d+, but is \d+$"),
        ({"seed": 1}, r"the trial's seed was \d+, but is \d+$"),
        ({"training": {"duration": "4ep", "batch_size": 30}}, 'training was .*"batch_size":20'),
        ({"dataset": ArrayDataset(X, Y, normalisation="standard")}, r"unit, but is .* standard$"),
    ],
)
def test_a_checkpoint_with_other_settings_is_refused(given, complaint):
    """Otherwise a model could continue the ticket of another trial."""
    study = {"dataset": OWN, "training": SHORT}
    content = LotteryModel(small(), **study).state()
    LotteryModel(small(), **study).restore(content)
    refused(complaint, LotteryModel(small(), **study | given).restore, content)


def test_a_session_keeps_rewind_points_for_manual_experiments():
    session = LotterySession(small(), OWN, SHORT, keep_weights_at=["1ep"])
    session.train_dense()
    model = session.new_experiment("by-hand")
    model.prune()
    model.reinit({"kind": "rewind", "to": "1ep"})
    assert not same(model.ticket, {k: v * (v != 0) for k, v in model.initial_weights.items()})


def test_a_summary_compares_tickets_with_their_controls():
    robust = LotteryRobust(small(), OWN, SHORT, trials=2)
    robust.run([CONTROL, TICKET])
    assert robust.controls == {"control": "ticket"}
    pairs = {(each.experiment, each.against) for each in robust.get_summary().comparisons}
    assert ("ticket", "control") in pairs
    table = str(robust.get_summary()).splitlines()
    assert " ".join(table[0].split()) == "experiment level kept test accuracy ± early stop ±"
    assert [line.split()[:2] for line in table[2:4]] == [["ticket", "dense"], ["1", "56.25%"]]
    assert len({len(line) for line in table[1:6]}) == 1


def test_progress_can_be_printed_as_one_line_for_each_level(capsys):
    LotteryModel(small(), OWN, SHORT).one_shot(0.5, observer=Printing())
    lines = capsys.readouterr().out.splitlines(keepends=True)
    assert [line[:31] for line in lines if line.endswith("\n")] == [
        "level 0/1  iteration 40/40  val",
        "level 1/1  iteration 40/40  val",
    ]
    assert len(lines) == 8


def test_results_have_a_short_repr():
    result = LotteryModel(small(), OWN, SHORT).train()
    assert repr(result).startswith("LevelResult(level=0, density=1.0, early_stop=")
    assert len(repr(result)) < 200
    assert repr(result.history) == "History(points=4)"


def test_studies_have_a_readable_repr_and_a_table_in_a_notebook():
    model = LotteryModel(small(), OWN, SHORT)
    assert repr(model).endswith("trial 1; not trained)")
    model.one_shot(0.5)
    assert repr(model).endswith("trial 1; level 1, 56.25% kept)")
    assert model._repr_html_().count("<tr>") == 1 + 2
    session = LotterySession(small(), OWN, SHORT)
    assert repr(session).endswith("trial 1; experiments: none yet)")
    session.run([{"name": "a"}])
    assert repr(session).endswith("trial 1; experiments: a)")
    assert "<td>a</td>" in session._repr_html_()
    assert "<pre>experiment" in session.get_summary()._repr_html_()
    robust = LotteryRobust(small(), OWN, SHORT, trials=2)
    assert repr(robust).startswith("LotteryRobust(2 trials of ")


def test_texts_in_a_table_are_escaped():
    assert "<script>" not in table_html(["<script>"], [["<script>"]])


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' save
@pytest.mark.parametrize("pruned_weights", ["zero", "initial"])
def test_a_finished_level_is_a_keras_network_for_raw_samples(pruned_weights, tmp_path):
    dataset = Digits.model_validate({"kind": "digits", "normalisation": "standard"})
    model = LotteryModel(noisy_network(), dataset, TRAINING)
    model.one_shot(0.5, pruned_weights=pruned_weights)
    arrays = dataset.load(None)
    for level in model.levels:
        found = model.network(level.level)
        found.save(tmp_path / "ticket.keras")
        for one in (found, keras.models.load_model(tmp_path / "ticket.keras")):
            answers = one.predict(arrays.x_test.astype(np.float32), verbose=0).argmax(1)
            assert np.mean(answers == arrays.y_test) == pytest.approx(level.final.test.accuracy)
            assert one.get_layer("linear_1").mask.numpy().mean() == level.layers[0].density


def test_a_data_set_object_is_accepted():
    dataset = Digits(kind="digits", validation=200)
    model = LotteryModel(network(), dataset, TRAINING)
    assert model.context.data.validation.samples == 200
    assert repr(model) == "LotteryModel(flatten_1 - linear_1 - linear_2; trial 1; not trained)"


OPTIMIZERS = sorted(
    name
    for name, kind in vars(keras.optimizers).items()
    if isinstance(kind, type)
    and issubclass(kind, keras.optimizers.Optimizer)
    and kind is not keras.optimizers.Optimizer
)


@pytest.fixture(scope="module")
def pruned() -> LotteryModel:
    layers = [LotteryLinear(16, "relu", kernel_constraint="unit_norm"), LotteryLinear(2)]
    model = LotteryModel(keras.Sequential(layers), OWN, SHORT)
    model.one_shot(0.8)
    return model


def _optimizer(name):
    """An optimizer with its default arguments; two of them wrap others."""
    kind, inner = getattr(keras.optimizers, name), keras.optimizers.Muon(0.01)
    if name == "LossScaleOptimizer":
        return kind(inner)
    return kind(keras.optimizers.OptimizerMap(inner)) if name == "MultiOptimizer" else kind()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_pruned_weights_stay_zero_under_every_optimizer_of_keras(name, pruned):
    """Muon makes a step in all weights, whether they have a gradient or not."""
    network = pruned.network()
    network.compile(_optimizer(name), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    network.fit(X, Y, epochs=1, verbose=0)
    for layer, mask in zip(network.layers[1:], pruned.masks.values(), strict=True):
        kernel = layer.kernel.numpy()
        assert np.all(kernel[~mask] == 0)
        assert np.any(
            kernel[mask] != pruned.trained_levels[-1].weights[f"{layer.name}/kernel"][mask]
        )
