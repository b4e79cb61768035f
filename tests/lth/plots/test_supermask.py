import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection

from lth.plots import supermask_by_density
from tests.lth.plots.made_up import robust, run, untrained

DENSITIES = (1.0, 0.5, 0.2)


def drawn(axes: Axes) -> dict[str, np.ndarray]:
    """The heights of each line, by its label."""
    return {str(line.get_label()): np.asarray(line.get_ydata(), float) for line in axes.lines}


def shown(axes: Axes) -> list[str]:
    legend = axes.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def test_one_experiment_has_a_line_for_each_untrained_variant() -> None:
    result = run(DENSITIES)
    (axes,) = supermask_by_density([result], classes=10).axes
    lines = drawn(axes)
    pruned = [level.untrained for level in result.levels[1:] if level.untrained]
    assert len(pruned) == 2
    for label, variant in (
        ("kept weights as they are", "masked"),
        ("signed constants", "signed_constant"),
        ("rescaled by density", "rescaled"),
    ):
        expected = [getattr(untrained, variant).accuracy for untrained in pruned]
        np.testing.assert_allclose(lines[label], expected)
    trained = [level.early_stop.test.accuracy for level in result.levels]
    np.testing.assert_allclose(lines["trained, at the early stop"], trained)
    assert shown(axes) == list(lines)


@pytest.mark.parametrize(("classes", "chance"), [(10, 0.1), (2, 0.5)])
def test_the_dashed_line_is_the_accuracy_of_chance(classes: int, chance: float) -> None:
    (axes,) = supermask_by_density([run()], classes=classes).axes
    assert drawn(axes)["chance"] == pytest.approx([chance, chance])


def test_density_falls_to_the_right_on_a_logarithmic_axis() -> None:
    (axes,) = supermask_by_density([run(DENSITIES)], classes=10).axes
    left, right = axes.get_xlim()
    assert left > 1.0 > 0.2 > right
    assert (axes.get_xscale(), axes.get_xlabel()) == ("log", "weights kept (%, log scale)")
    assert [label.get_text() for label in axes.get_xticklabels()] == ["100", "50.1", "20.2"]
    assert axes.get_ylim() == (0, 1.02)


def test_several_experiments_are_compared_in_a_panel_for_each_variant() -> None:
    ticket, control = robust(1, DENSITIES)
    panels = supermask_by_density([ticket, control], classes=10, controls={"control"}).axes
    titles = [axes.get_title(loc="left") for axes in panels]
    assert titles == ["kept weights as they are", "signed constants", "rescaled by density"]
    for axes, share in zip(panels, (0.6, 0.9, 0.7), strict=True):
        lines = drawn(axes)
        stops = [level.early_stop.test.accuracy for level in ticket.levels[1:]]
        np.testing.assert_allclose(lines["ticket"], share * np.array(stops))
        np.testing.assert_allclose(lines["control"], [0.1, 0.1])
    (hollow,) = [line for line in panels[0].lines if line.get_label() == "control"]
    assert hollow.get_markerfacecolor() == "white"
    assert shown(panels[-1]) == ["chance", "trained, at the early stop", "ticket", "control"]


def test_several_trials_are_drawn_as_a_mean_with_its_interval() -> None:
    results = [one for one in robust(3, DENSITIES) if one.experiment == "ticket"]
    plot = supermask_by_density(results, classes=10)
    (axes,) = plot.axes
    found = [[level.untrained for level in result.levels[1:]] for result in results]
    measured = np.array([[each.rescaled.accuracy for each in run if each] for run in found])
    np.testing.assert_allclose(drawn(axes)["rescaled by density"], measured.mean(axis=0))
    band = axes.collections[-1]
    assert isinstance(band, PolyCollection)
    heights = band.get_paths()[0].vertices[:, 1]
    half = 4.302653 * measured.std(axis=0, ddof=1) / np.sqrt(3)
    assert heights.max() == pytest.approx((measured.mean(axis=0) + half).max())
    assert heights.min() == pytest.approx((measured.mean(axis=0) - half).min())
    assert plot.texts[1].get_text() == "'ticket' · mean of 3 trials with its 95 % interval"


def test_of_many_experiments_those_with_the_best_untrained_scores_are_drawn() -> None:
    many = [run(experiment=f"e{number}") for number in range(25)]
    level = many[0].levels[1]
    nothing = untrained(0.1, special=False)
    ignorant = level.model_copy(update={"untrained": nothing})
    many[:4] = [one.model_copy(update={"levels": (one.levels[0], ignorant)}) for one in many[:4]]
    plot = supermask_by_density(many, classes=10)
    assert "the best 21 of 25 experiments" in plot.texts[1].get_text()
    assert not {"e0", "e1", "e2", "e3"} & set(shown(plot.axes[-1]))


def test_an_unpruned_network_has_only_the_lines_for_comparison() -> None:
    (axes,) = supermask_by_density([run([1.0])], classes=10).axes
    assert shown(axes) == ["chance", "trained, at the early stop"]
