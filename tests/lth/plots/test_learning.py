import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from lth.core.errors import SpecError
from lth.plots import accuracy_by_density, compare_learning, learning_curves
from lth.plots.series import mean_and_interval
from lth.results.schemas import RunResult
from lth.results.statistics import statistic
from tests.lth.plots.made_up import robust, run


def curves(axes: Axes) -> list[Line2D]:
    """The lines that run over iterations, without marks and legend entries."""
    return [line for line in axes.lines if len(np.atleast_1d(line.get_xdata())) > 1]


def legend(axes: Axes) -> list[str]:
    found = axes.get_legend()
    assert found is not None
    return [text.get_text() for text in found.get_texts()]


def test_each_level_is_drawn_as_it_was_measured() -> None:
    result = run([1.0, 0.5, 0.2])
    accuracy, loss = learning_curves(result).axes
    for level, first, second in zip(result.levels, curves(accuracy), curves(loss), strict=True):
        np.testing.assert_array_equal(first.get_xdata(), level.history.iterations)
        np.testing.assert_array_equal(first.get_ydata(), level.history.validation_accuracy)
        np.testing.assert_array_equal(second.get_ydata(), level.history.validation_loss)
    assert legend(loss) == ["100 %  dense", "50.1 %", "20.2 %", "early stop"]


def test_the_early_stop_is_marked_at_the_minimum_of_the_loss() -> None:
    result = run([1.0])
    _, loss = learning_curves(result).axes
    history = result.levels[0].history
    (mark,) = [line for line in loss.lines if len(np.atleast_1d(line.get_xdata())) == 1]
    assert mark.get_ydata() == [min(history.validation_loss)]
    least = history.validation_loss.index(min(history.validation_loss))
    assert mark.get_xdata() == [history.iterations[least]]


def test_panels_have_titles_and_labels_with_units() -> None:
    accuracy, loss = learning_curves(run(), "lenet on digits").axes
    assert accuracy.get_xlabel() == "iteration (optimizer steps)"
    assert accuracy.get_ylabel() == "accuracy"
    assert loss.get_ylabel() == "cross-entropy (nats)"
    texts = [text.get_text() for text in learning_curves(run(), "lenet on digits").texts]
    assert texts == ["Learning curves", "lenet on digits · 'ticket', trial 1"]


def test_plots_name_the_first_iteration_after_a_late_rewind() -> None:
    dense, ticket = run().levels
    late = run().model_copy(update={"levels": (dense, ticket.model_copy(update={"start": 1500}))})
    remark = "levels rewound to iteration 1,500 count on from there"
    for plot in (learning_curves(late), compare_learning([late]), accuracy_by_density([late])):
        assert remark in plot.texts[1].get_text()


def test_many_levels_have_a_colour_bar_instead_of_a_legend() -> None:
    *_, loss, bar = learning_curves(run([0.8**n for n in range(20)])).axes
    assert loss.get_legend() is None
    assert bar.get_ylabel() == "weights kept (%)"


def test_the_axis_is_scaled_to_the_values_after_the_first_fifth() -> None:
    accuracy, _ = learning_curves(run([1.0], points=50)).axes
    history = run([1.0], points=50).levels[0].history
    assert accuracy.get_ylim()[0] > history.validation_accuracy[0]
    assert accuracy.get_ylim()[0] < min(history.validation_accuracy[10:])


def test_experiments_are_compared_at_their_last_level_with_the_dense_network() -> None:
    ticket, other = run([1.0, 0.5, 0.2]), run([1.0, 0.5], experiment="other")
    accuracy, loss = compare_learning([ticket, other]).axes
    drawn = [line.get_ydata() for line in curves(accuracy)]
    expected = [ticket.levels[0], ticket.levels[2], other.levels[1]]
    for values, level in zip(drawn, expected, strict=True):
        np.testing.assert_allclose(values, level.history.validation_accuracy)
    assert legend(loss) == ["dense  100 %", "ticket  20.2 %", "other  50.1 %"]


def test_trials_are_drawn_as_a_mean_with_its_interval() -> None:
    results = robust(3)
    figure = compare_learning(results)
    accuracy, _ = figure.axes
    measured = [
        r.levels[1].history.validation_accuracy
        for r in results
        if r.trial and r.experiment == "ticket"
    ]
    np.testing.assert_allclose(curves(accuracy)[1].get_ydata(), np.mean(measured, axis=0))
    assert len(accuracy.collections) == 3
    last = statistic([values[-1] for values in measured])
    assert last.interval is not None
    edges = accuracy.collections[1].get_paths()[0].vertices
    at_the_end = edges[edges[:, 0] == 5000][:, 1]
    assert (at_the_end.min(), at_the_end.max()) == pytest.approx(last.interval)
    assert figure.texts[1].get_text() == "mean of 3 trials with its 95 % interval"


def test_the_interval_of_a_curve_agrees_with_the_statistics() -> None:
    values = np.random.default_rng(0).normal(size=(4, 3))
    mean, interval = mean_and_interval(values)
    assert interval is not None
    for column in range(3):
        expected = statistic(list(values[:, column]))
        assert mean[column] == pytest.approx(expected.mean)
        assert (interval[0][column], interval[1][column]) == pytest.approx(expected.interval)


def test_one_trial_has_no_band() -> None:
    assert not compare_learning([run()]).axes[0].collections


def test_many_bands_are_omitted_and_not_mentioned() -> None:
    results = [run(experiment=f"e{n}", trial=trial) for n in range(8) for trial in (1, 2)]
    figure = compare_learning(results)
    assert not figure.axes[0].collections
    assert figure.texts[1].get_text() == "mean of 2 trials"
    assert compare_learning(results[:14]).axes[0].collections


def test_the_number_of_drawn_experiments_is_limited_and_the_subtitle_says_so() -> None:
    results = [run(experiment=f"e{n}", special=n != 7) for n in range(22)]
    figure = compare_learning(results)
    assert figure.texts[1].get_text() == "the best 21 of 22 experiments"
    assert "e7  20.2 %" not in legend(figure.axes[1])


@pytest.mark.parametrize(
    ("results", "message"),
    [
        ([], "no result was given"),
        ([run(), run()], "trial 1 of 'ticket' was given twice"),
        ([run(), run([1.0], trial=2)], "trials 1 and 2 of 'ticket' are not of the same"),
        ([run(), run(trial=2).model_copy(update={"method": "x"})], "differ in method"),
        ([run(), run(points=20, trial=2)], "evaluated at different iterations of level 0"),
    ],
)
def test_results_that_cannot_be_averaged_are_refused(
    results: list[RunResult], message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        compare_learning(results)


def test_a_missing_level_is_reported() -> None:
    with pytest.raises(SpecError, match="'ticket' has no level 2; it has 0 to 1"):
        compare_learning([run()], level=2)
