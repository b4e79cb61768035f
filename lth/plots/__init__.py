"""Plots: pure functions from results and arrays to figures, and from figures to bytes."""

from lth.plots.canvas import Format, Plot, render
from lth.plots.density import accuracy_by_density
from lth.plots.learning import compare_learning, learning_curves
from lth.plots.masks import mask_picture
from lth.plots.sparsity import sparsity_by_layer
from lth.plots.supermask import supermask_by_density
from lth.plots.text import pruning_summary
from lth.plots.weights import weights_scatter

__all__ = [
    "Format",
    "Plot",
    "accuracy_by_density",
    "compare_learning",
    "learning_curves",
    "mask_picture",
    "pruning_summary",
    "render",
    "sparsity_by_layer",
    "supermask_by_density",
    "weights_scatter",
]
