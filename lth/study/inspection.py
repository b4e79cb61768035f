"""Shows a finished experiment: pictures of its arrays, and its Keras network."""

import copy
from collections.abc import Mapping, Sequence

import keras
import numpy as np
from matplotlib.figure import Figure

from lth.core.errors import SpecError
from lth.core.field_errors import whole
from lth.engine.keras_defaults import keras_defaults
from lth.engine.network import prunable
from lth.engine.observer import TrainedLevel
from lth.engine.variables import Weights, weight_variables, write
from lth.experiment.context import Context
from lth.plots import mask_picture, weights_scatter
from lth.pruning.masks import Mask


def finished_level(levels: Sequence[TrainedLevel], number: int | None) -> TrainedLevel:
    """The level with this number; None for the last level.

    Raises:
        SpecError: if the level is not finished.
    """
    last = len(levels) - 1
    asked = max(last, 0) if number is None else whole(number, "level", 0)
    if asked > last:
        done = f"there are 0 to {last}" if levels else "none is; call train() first"
        raise SpecError(f"level {asked} is not finished; {done}")
    return levels[asked]


def weights_picture(context: Context, initial: Weights, level: TrainedLevel, title: str) -> Figure:
    """A scatter plot of initial against trained weights for each prunable layer."""
    kernels = {place.name: place.kernel for place in context.places}
    return weights_scatter(
        {name: initial[kernel] for name, kernel in kernels.items()},
        {name: level.weights[kernel] for name, kernel in kernels.items()},
        level.masks,
        " · ".join(filter(None, [title, f"level {level.result.level}"])),
    )


def layer_mask_picture(
    context: Context, masks: Mapping[str, Mask], layer: str | None, title: str
) -> Figure:
    """A picture of the mask of a layer, by default of the first one.

    Raises:
        SpecError: if there is no such layer.
    """
    first = context.places[0].name
    name = layer or first
    if name not in masks:
        raise SpecError(f"no lottery layer is called '{name}'; there are: {', '.join(masks)}")
    shape = context.blueprint.shape if name == first else ()
    return mask_picture(masks[name], input_shape=shape, layer=name, title=title)


def keras_network(
    context: Context, level: TrainedLevel, frozen: Mapping[str, np.ndarray] | None
) -> keras.Sequential:
    """The network with the weights and masks of a level.

    It accepts samples as they are in the data set.

    Args:
        context: the context of the experiment.
        level: the level.
        frozen: values of pruned weights, float32 by layer name; None if they are zero.

    Returns:
        A built Sequential that begins with the normalization and ends in logits.
    """
    scale, offset = (
        np.asarray(part).tolist() for part in (context.data.factor, context.data.offset)
    )
    with keras_defaults():
        layers = [
            keras.layers.deserialize(each) for each in copy.deepcopy(context.blueprint.layers)
        ]
        network = keras.Sequential(
            [
                keras.Input(context.blueprint.shape),
                keras.layers.Rescaling(scale, offset, name="normalisation"),
                *layers,
            ]
        )
    kernels = {}
    for place in prunable(network, context.output):
        mask = level.masks[place.name]
        place.layer.mask.assign(mask)
        held = np.float32(0) if frozen is None else frozen[place.name]
        kernels[place.kernel] = np.where(mask, level.weights[place.kernel], held)
    write(weight_variables(network), {**level.weights, **kernels})
    return network
