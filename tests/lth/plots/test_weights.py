from time import process_time

import numpy as np
import pytest

from lth.core.errors import SpecError
from lth.plots import render, weights_scatter

BEFORE = {"linear": np.array([[0.5, -1.0], [0.25, 0.0]])}
AFTER = {"linear": np.array([[0.75, -2.0], [0.0, 0.0]])}


def test_pruned_weights_are_omitted_and_kept_zeros_are_drawn() -> None:
    mask = {"linear": np.array([[True, False], [True, True]])}
    (axes,) = weights_scatter(BEFORE, AFTER, mask).axes
    points = np.asarray(axes.collections[0].get_offsets())
    assert points.tolist() == [[0.5, 0.75], [0.25, 0.0], [0.0, 0.0]]
    assert axes.get_title(loc="left") == "linear\n75 % of 4 kept"


def test_without_masks_all_weights_are_drawn() -> None:
    (axes,) = weights_scatter(BEFORE, AFTER).axes
    assert len(np.asarray(axes.collections[0].get_offsets())) == 4
    assert axes.get_xlabel() == "initial weight"
    assert axes.get_ylabel() == "trained weight"


def test_each_axis_is_symmetric_and_contains_every_weight() -> None:
    (axes,) = weights_scatter(BEFORE, AFTER).axes
    assert axes.get_xlim() == pytest.approx((-1.04, 1.04))
    assert axes.get_ylim() == pytest.approx((-2.08, 2.08))


def test_many_weights_are_counted_in_cells_without_losses() -> None:
    rng = np.random.default_rng(0)
    before = {"linear": rng.normal(size=(100, 100))}
    after = {"linear": np.abs(before["linear"])}
    mask = {"linear": rng.random((100, 100)) < 0.3}
    axes = weights_scatter(before, after, mask).axes[0]
    counted = np.ma.asarray(axes.images[0].get_array())
    assert counted.sum() == mask["linear"].sum()
    rows, columns = np.nonzero(counted.filled(0))
    # A weight that loses its sign is in a cell above zero, at the same distance.
    assert np.abs(np.abs(columns - 47.5) - (rows - 47.5)).max() <= 1


def test_four_million_weights_are_drawn_within_seconds() -> None:
    rng = np.random.default_rng(0)
    kernel = {"linear": rng.standard_normal((16_384, 256), np.float32)}
    started = process_time()
    content = render(weights_scatter(kernel, kernel), "png")
    assert process_time() - started < 10
    assert len(content) < 200_000


@pytest.mark.parametrize(
    ("initial", "final", "masks", "message"),
    [
        ({}, {}, None, "no layer was given"),
        (BEFORE, {}, None, "'final' lacks the layer 'linear'"),
        (BEFORE, AFTER, {}, "'masks' lacks the layer 'linear'"),
        (BEFORE, {"linear": np.zeros((3, 2))}, None, r"\[2, 2\] in 'initial', but \[3, 2\]"),
    ],
)
def test_inconsistent_arrays_are_refused(initial, final, masks, message) -> None:
    with pytest.raises(SpecError, match=message):
        weights_scatter(initial, final, masks)
