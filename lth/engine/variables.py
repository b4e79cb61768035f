"""Addresses of the variables of a network, and copies of their values.

An address is the name of a layer, the names of the layers inside it, and the name of the variable,
such as ``linear_1/kernel`` or ``block/dense/kernel``. It does not depend on other networks of the
process.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import keras
import numpy as np

from lth.core.errors import SpecError
from lth.core.seeds import Purpose, generator
from lth.engine.layer_configs import inner_names
from lth.engine.layers import Prunable

Weights = dict[str, np.ndarray]
"""Arrays by the address of their variable, such as ``linear_1/kernel``."""

_RANDOM_STATE = "seed_generator_state"


def weight_variables(model: keras.Sequential) -> dict[str, keras.Variable]:
    """The variables that a training changes, by address: weights, moving averages, random states.

    Masks and frozen values are excluded; they belong to a level.
    """
    seen: set[int] = set()
    return {
        f"{address}/{name}": variable
        for layer in model.layers
        for address, each in layers_within(layer, layer.name)
        for name, variable in own_variables(each, seen)
    }


def layers_within(layer: Any, name: str) -> Iterator[tuple[str, Any]]:
    """A layer and the layers inside it, at every depth, each with its address.

    A layer that occurs several times has the address of its first occurrence.

    Args:
        layer: the outer layer.
        name: its name, with which all addresses begin.
    """
    yield from _within(layer, name, set())


def own_variables(layer: Any, seen: set[int]) -> list[tuple[str, keras.Variable]]:
    """The variables of a layer without those of the layers inside it, each with a unique name.

    Args:
        layer: the layer.
        seen: the identities of variables that are left out; those of this layer are added. A
            wrapper such as `SpectralNormalization` shares a variable with its layer.
    """
    held = seen | {id(variable) for variable in _held(layer)}
    own = [
        *layer._trainable_variables,
        *layer._non_trainable_variables,
        *(each.state for each in layer._seed_generators),
    ]
    own = [variable for variable in own if id(variable) not in held]
    seen.update(map(id, own))
    return list(zip(numbered(variable.name for variable in own), own, strict=True))


def numbered(names: Iterable[str]) -> list[str]:
    """Unique names: the second one of a name ends in ``_1``."""
    seen: dict[str, int] = {}
    unique = []
    for name in names:
        times = seen[name] = seen.get(name, -1) + 1
        unique.append(f"{name}_{times}" if times else name)
    return unique


def is_random_state(address: str) -> bool:
    """Whether a variable is the state of a random layer."""
    return address.rpartition("/")[2].startswith(_RANDOM_STATE)


def noise_states(weights: Weights, seed: int, level: int) -> Weights:
    """The states of random layers such as dropout at the start of a level, by address."""
    addresses = [address for address in weights if is_random_state(address)]
    return {
        address: np.array([generator(seed, Purpose.LAYER_NOISE, level, n).integers(2**31), 0])
        for n, address in enumerate(addresses)
    }


def read(variables: Mapping[str, keras.Variable]) -> Weights:
    """Copy variables to arrays."""
    return {address: np.array(variable.numpy()) for address, variable in variables.items()}


def write(variables: Mapping[str, keras.Variable], weights: Weights) -> None:
    """Copy arrays to variables; both must have the same addresses."""
    if variables.keys() != weights.keys():
        differing = sorted(variables.keys() ^ weights.keys())
        raise SpecError(f"these weights belong to another network; differing: {differing}")
    for address, variable in variables.items():
        variable.assign(weights[address])


def _within(layer: Any, address: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    if id(layer) in seen:
        return
    seen.add(id(layer))
    yield address, layer
    inner = [each for each in layer._layers if not isinstance(each, keras.layers.InputLayer)]
    names = inner_names([(each.name, type(each).__name__) for each in inner])
    for name, each in zip(names, inner, strict=True):
        yield from _within(each, f"{address}/{name}", seen)


def _held(layer: Any) -> list[keras.Variable]:
    """The mask and the frozen values of a lottery layer, if it is built."""
    if not isinstance(layer, Prunable) or not layer.built:
        return []
    return [layer.mask] if layer.frozen is None else [layer.mask, layer.frozen]
