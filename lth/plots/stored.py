"""Draws pictures from the stored files of runs.

Pure functions that need only NumPy and matplotlib.
"""

from collections.abc import Callable, Collection, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lth.core.errors import SpecError
from lth.core.npz import decode, section
from lth.plots import (
    accuracy_by_density,
    compare_learning,
    learning_curves,
    mask_picture,
    sparsity_by_layer,
    supermask_by_density,
    weights_scatter,
)
from lth.results.artifacts import (
    INITIAL_WEIGHTS,
    JOB_PICTURES,
    LAYERS,
    LEARNING_CURVES,
    MASK_PICTURE,
    MASKS,
    RUN_PICTURES,
    SPARSITY,
    SUPERMASK,
    WEIGHTS,
    level_weights,
)
from lth.results.schemas import RunResult

Read = Callable[[str], bytes]
"""Returns the bytes of a file of a run; `lth.results.artifacts.sources` lists the files needed."""


def run_picture(
    picture: str,
    result: RunResult,
    read: Read,
    *,
    classes: int,
    shape: Sequence[int] = (),
    title: str = "",
) -> Figure:
    """Draw a picture of one experiment at its last level.

    Args:
        picture: one of `lth.results.artifacts.RUN_PICTURES`.
        result: the result of the experiment.
        read: reads its files.
        classes: number of classes of the data.
        shape: shape of a sample as it enters the network.
        title: what was run.

    Raises:
        SpecError: if there is no such picture.
    """
    if picture == LEARNING_CURVES:
        return learning_curves(result, title)
    if picture == SPARSITY:
        return accuracy_by_density([result], title=title)
    if picture == LAYERS:
        return sparsity_by_layer(result, title)
    if picture == SUPERMASK:
        return supermask_by_density([result], classes=classes, title=title)
    if picture == WEIGHTS:
        last = result.levels[-1].level
        initial = _kernels(result, read, INITIAL_WEIGHTS)
        trained = _kernels(result, read, level_weights(last))
        said = " · ".join(filter(None, [title, f"level {last}"]))
        return weights_scatter(initial, trained, _masks(result, read), said)
    if picture == MASK_PICTURE:
        first, mask = next(iter(_masks(result, read).items()))
        return mask_picture(mask, input_shape=shape, layer=first, title=title)
    raise SpecError(f"there is no picture '{picture}' of a run; there are {RUN_PICTURES}")


def job_picture(
    picture: str,
    results: Sequence[RunResult],
    *,
    classes: int,
    controls: Collection[str] = (),
    title: str = "",
) -> Figure:
    """Draw a picture that compares experiments and trials.

    Args:
        picture: one of `lth.results.artifacts.JOB_PICTURES`.
        results: one for each experiment and trial that has a result.
        classes: number of classes of the data.
        controls: names of the experiments that are controls.
        title: what was run.

    Raises:
        SpecError: if there is no such picture, or no result.
    """
    if picture == LEARNING_CURVES:
        return compare_learning(results, title=title)
    if picture == SPARSITY:
        return accuracy_by_density(results, controls=controls, title=title)
    if picture == SUPERMASK:
        return supermask_by_density(results, classes=classes, controls=controls, title=title)
    raise SpecError(f"there is no picture '{picture}' of a job; there are {JOB_PICTURES}")


def _kernels(result: RunResult, read: Read, name: str) -> dict[str, NDArray[np.floating]]:
    """The prunable kernels of a file of weights, by layer name."""
    weights = decode(read(name))[0]
    return {layer.name: weights[f"{layer.name}/kernel"] for layer in result.levels[-1].layers}


def _masks(result: RunResult, read: Read) -> dict[str, NDArray[np.bool_]]:
    """The masks of the last level, by layer name; the dense network keeps all weights."""
    last = result.levels[-1].level
    if last == 0:
        kernels = _kernels(result, read, INITIAL_WEIGHTS)
        return {name: np.ones(kernel.shape, np.bool_) for name, kernel in kernels.items()}
    return section(decode(read(MASKS))[0], f"level-{last}")
