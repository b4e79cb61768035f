import numpy as np

from lth.plots import sparsity_by_layer
from tests.lth.plots.made_up import run


def test_each_cell_is_a_layers_density_at_a_level() -> None:
    (axes,) = sparsity_by_layer(run([1.0, 0.2])).axes
    shown = np.asarray(axes.collections[0].get_array()).reshape(4, 2)
    np.testing.assert_allclose(shown[:3], [[1, 0.2], [1, 0.2], [1, 0.6]])
    assert [text.get_text() for text in axes.texts] == [
        *("100", "20"),
        *("100", "20"),
        *("100", "60"),
        *("100", "20.2"),
    ]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == [
        "linear  (235,200)",
        "linear_1  (30,000)",
        "linear_2  (1,000)",
        "all  (266,200)",
    ]


def test_the_first_layer_is_at_the_top() -> None:
    (axes,) = sparsity_by_layer(run()).axes
    bottom, top = axes.get_ylim()
    assert bottom > top


def test_very_many_levels_have_a_colour_bar_instead_of_numbers() -> None:
    axes, bar = sparsity_by_layer(run([0.9**n for n in range(40)])).axes
    assert not axes.texts
    assert bar.get_ylabel() == "weights kept (%)"
