"""What a network that somebody has built or trained keeps in an experiment."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import keras
import numpy as np

from lth.core.errors import SpecError
from lth.engine.layers import Prunable
from lth.engine.variables import is_random_state, layers_within, own_variables

InitialWeights = Literal["given", "redraw"]
"""What becomes of the trainable weights of a built network: trained from, or drawn anew."""


def kept_state(
    layers: Sequence[keras.Layer], names: Sequence[str], choice: InitialWeights | None
) -> dict[str, np.ndarray]:
    """The values that every trial starts with instead of drawing them, by address.

    These are frozen layers, the state of layers that have no trainable weight (such as an adapted
    `Normalization`), and, if the choice is "given", everything else but the states of random
    layers. An unbuilt network has none.

    Args:
        layers: the layers of the network.
        names: the name of each in the experiment.
        choice: what becomes of trainable weights that the network has already.

    Raises:
        SpecError: if a choice is needed and not made, if it is "given" and there is nothing to
            start from, if a layer occurs twice, or if a lottery layer is frozen or pruned already.
    """
    if choice is not None and choice not in get_args(InitialWeights):
        raise SpecError(f"initial_weights={choice!r} is neither 'given' nor 'redraw'")
    kept: dict[str, np.ndarray] = {}
    trainable: dict[str, np.ndarray] = {}
    _check_different(layers)
    seen: set[int] = set()
    for layer, name in zip(layers, names, strict=True):
        frozen: set[int] = set()
        for address, each in layers_within(layer, name):
            if not each.trainable or id(each) in frozen:
                frozen |= {id(inner) for inner in each._layers}
                _check_not_frozen(each)
                part = kept
            elif each._trainable_variables:
                _check_not_pruned(each, choice)
                part = trainable
            else:
                part = kept
            part |= _values(address, own_variables(each, seen))
    if choice == "given":
        if not trainable:
            raise SpecError(
                "initial_weights='given', but the network has no trainable weights yet; build it "
                "and set its weights, or leave the argument out"
            )
        return kept | trainable
    if choice is None and trainable:
        first, *more = trainable
        raise SpecError(
            f"the network has weights already ('{first}'{f' and {len(more)} more' * bool(more)}): "
            "say initial_weights='given' to start every trial from them, or "
            "initial_weights='redraw' to draw new ones in each trial"
        )
    return kept


def check_fits(kept: Mapping[str, np.ndarray], variables: Mapping[str, keras.Variable]) -> None:
    """Check that kept values fit the network that is built for the samples.

    Raises:
        SpecError: if the network was built for samples of another shape.
    """
    for address, values in kept.items():
        expected = tuple(variables[address].shape) if address in variables else None
        if expected != values.shape:
            raise SpecError(
                f"'{address}' of the given network has the shape {list(values.shape)}, but "
                + (f"{list(expected)} is needed for these samples" if expected else "is not needed")
                + "; build the network for samples of the data set"
            )


def _values(address: str, variables: Sequence[tuple[str, keras.Variable]]) -> dict[str, np.ndarray]:
    return {
        f"{address}/{name}": np.array(variable.numpy())
        for name, variable in variables
        if not is_random_state(name)
    }


def _check_different(layers: Sequence[keras.Layer]) -> None:
    """Refuse a layer that occurs in several places of a Sequential; its weights would part."""
    found: dict[int, Any] = {}
    times: Counter[int] = Counter()
    for layer in layers:
        inside = {id(each): each for _, each in layers_within(layer, layer.name)}
        found |= inside
        times.update(inside.keys())
    for number, count in times.items():
        if count > 1:
            layer = found[number]
            raise SpecError(
                f"'{layer.name}' ({type(layer).__name__}) is used {count} times in the network, "
                "which would not share its weights in an experiment; use a layer for each place"
            )


def _check_not_frozen(layer: Any) -> None:
    if isinstance(layer, Prunable):
        raise SpecError(
            f"'{layer.name}' is frozen (trainable = False), so it cannot be trained after pruning; "
            "use Dense or Conv2D, or set trainable = True"
        )


def _check_not_pruned(layer: Any, choice: InitialWeights | None) -> None:
    if choice == "given" and isinstance(layer, Prunable) and not np.all(layer.mask.numpy()):
        raise SpecError(
            f"'{layer.name}' is pruned already, but an experiment starts with the dense network; "
            "give the unpruned network, or say initial_weights='redraw'"
        )
