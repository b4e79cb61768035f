import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer

from lth.plots import accuracy_by_density
from lth.plots.density import Bars
from lth.results.statistics import statistic
from tests.lth.plots.made_up import robust, run


@pytest.mark.parametrize("bars", ["interval", "range"])
def test_points_are_means_over_trials_with_bars(bars: Bars) -> None:
    results = robust(3, (1.0, 0.5, 0.2))
    accuracy, stop = accuracy_by_density(results, bars=bars).axes
    tickets = [result for result in results if result.experiment == "ticket"]
    for axes, measured in (
        (accuracy, [[level.early_stop.test.accuracy for level in r.levels] for r in tickets]),
        (stop, [[level.early_stop.iteration for level in r.levels] for r in tickets]),
    ):
        container = axes.containers[0]
        assert isinstance(container, ErrorbarContainer)
        line, _, (drawn,) = container.lines
        densities = np.asarray(line.get_xdata(), float)
        np.testing.assert_allclose(densities, [level.density for level in tickets[0].levels])
        np.testing.assert_allclose(line.get_ydata(), np.mean(measured, axis=0))
        reach = [(path.vertices[0, 1], path.vertices[1, 1]) for path in drawn.get_paths()]
        if bars == "range":
            ends = [(min(values), max(values)) for values in zip(*measured, strict=True)]
        else:
            ends = [statistic(values).interval for values in zip(*measured, strict=True)]
        np.testing.assert_allclose(reach, ends)


def test_a_trial_that_goes_on_counts_at_the_levels_that_it_has_finished() -> None:
    results = [one for one in robust(3, (1.0, 0.5, 0.2)) if one.experiment == "ticket"]
    results[1] = results[1].model_copy(update={"levels": results[1].levels[:1], "partial": True})
    accuracy, _ = accuracy_by_density(results).axes
    container = accuracy.containers[0]
    assert isinstance(container, ErrorbarContainer)
    expected = [
        np.mean([r.levels[n].early_stop.test.accuracy for r in results if len(r.levels) > n])
        for n in range(3)
    ]
    np.testing.assert_allclose(container.lines[0].get_ydata(), expected)


def test_density_falls_to_the_right_on_a_logarithmic_axis_with_ticks_at_the_levels() -> None:
    result = run([1.0, 0.5, 0.2])
    accuracy, _ = accuracy_by_density([result]).axes
    left, right = accuracy.get_xlim()
    assert left > 1.0
    assert right < result.levels[-1].density
    assert accuracy.get_xscale() == "log"
    assert accuracy.get_xlabel() == "weights kept (%, log scale)"
    labels = [label.get_text() for label in accuracy.get_xticklabels()]
    assert labels == ["100", "50.1", "20.2"]


def test_the_dashed_line_is_the_dense_network() -> None:
    results = robust(2)
    _, stop = accuracy_by_density(results).axes
    (dense,) = [line for line in stop.lines if line.get_label() == "dense network"]
    expected = np.mean([result.levels[0].early_stop.iteration for result in results[:2]])
    assert dense.get_ydata() == pytest.approx([expected, expected])


def test_controls_are_hollow_and_named_in_the_legend() -> None:
    _, stop = accuracy_by_density(robust(2), controls={"control"}).axes
    ticket, control = (container.lines[0] for container in stop.containers)
    assert control.get_markerfacecolor() == "white"
    assert ticket.get_markerfacecolor() == ticket.get_color()
    found = stop.get_legend()
    assert found is not None
    names = [text.get_text() for text in found.get_texts()]
    assert names == ["dense network", "ticket", "control"]


def test_one_trial_has_no_bars() -> None:
    accuracy, _ = accuracy_by_density([run()]).axes
    container = accuracy.containers[0]
    assert isinstance(container, ErrorbarContainer)
    assert not container.has_yerr


def test_the_subtitle_of_an_unfinished_job_has_the_numbers_of_trials() -> None:
    ticket, control = robust(3)[:3], robust(3)[3:]
    subtitle = accuracy_by_density([*ticket, control[0]]).texts[1].get_text()
    assert subtitle == "mean of 1 to 3 trials, bars are its 95 % interval"
    assert accuracy_by_density([ticket[0], control[0]]).texts[1].get_text() == ""
