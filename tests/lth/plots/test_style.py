import numpy as np
import pytest
from matplotlib.figure import Figure

from lth.plots.style import (
    SERIES,
    PerCent,
    fit,
    level_colours,
    percent,
    spaced,
    wrapped,
)


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (1.0, "100 %"),
        (0.5128, "51.3 %"),
        (0.0119, "1.19 %"),
        (0.2, "20 %"),
        (0.0, "0 %"),
        (0.99996, "99.996 %"),
        (1 - 1 / 4_300_992, "99.99998 %"),
    ],
)
def test_percent_writes_three_digits_and_never_rounds_up_to_100(share: float, text: str) -> None:
    assert percent(share) == text


def test_percent_ticks_have_the_same_number_of_decimals() -> None:
    ticks = PerCent()
    assert ticks.format_ticks([0.97, 0.975, 0.98]) == ["97.0 %", "97.5 %", "98.0 %"]
    assert ticks.format_ticks([0.2, 0.4]) == ["20 %", "40 %"]


def test_level_colours_are_light_for_sparse_and_dark_for_dense_levels() -> None:
    colours = level_colours([1.0, 0.5, 0.2, 0.05, 0.01])
    brightness = [sum(colour[:3]) for colour in colours]
    assert brightness == sorted(brightness)
    assert len(set(colours)) == 5


def test_a_level_without_weights_also_has_a_colour() -> None:
    assert len(level_colours([1.0, 0.0])) == 2


def test_every_series_looks_different() -> None:
    assert len(set(SERIES)) == len(SERIES) == 21


def test_spaced_keeps_both_ends_and_omits_values_that_are_too_close() -> None:
    ladder = [0.8**n for n in range(21)]
    chosen = spaced(ladder, 5)
    assert chosen == [ladder[n] for n in (0, 4, 8, 12, 16, 20)]
    assert spaced(ladder[:20], 5) == [ladder[n] for n in (0, 4, 8, 12, 19)]
    assert spaced([1.0], 5) == [1.0]
    assert spaced([0.2, 1.0], 5) == [1.0, 0.2]


def test_fit_ignores_values_that_are_not_finite() -> None:
    axes = Figure().subplots()
    fit(axes, np.array([0.5, np.nan, 1.0, np.inf]), most=1.0)
    low, high = axes.get_ylim()
    assert low == pytest.approx(0.47)
    assert 1.0 < high < 1.01


def test_long_names_are_wrapped_after_a_dot() -> None:
    name = "large_init_large_final.reshuffle"
    assert wrapped(name) == "large_init_large_final.\nreshuffle"
    assert wrapped("ticket") == "ticket"
    assert wrapped("x" * 40) == "x" * 40
