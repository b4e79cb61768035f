"""Describes a Keras Sequential so that the engine can build it repeatedly.

A blueprint is the list of layer configurations. Layer names do not depend on other networks of the
process, so weights, masks and compiled programs have the same keys everywhere.
"""

import copy
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import Any

import keras
import numpy as np

from lth.core.errors import NothingToPrune, SpecError
from lth.core.seeds import Purpose, generator
from lth.engine.device import on_cpu
from lth.engine.dropout import HashedDropout
from lth.engine.layers import Prunable
from lth.engine.pooling import SlicedMaxPooling2D
from lth.networks import Network, Shape
from lth.pruning.masks import Role

Weights = dict[str, np.ndarray]
"""Arrays by variable path, such as ``linear_1/kernel``."""

KERNEL = "kernel"
RANDOM_STATE = "seed_generator_state"
_DROPOUT = keras.layers.Dropout
_MAX_POOLING = keras.layers.MaxPooling2D


@dataclass(frozen=True)
class Blueprint:
    """An unbuilt network: layer configurations as Keras serializes them, and an input shape.

    Attributes:
        layers: one configuration for each layer, with a unique name.
        shape: shape of a sample.
    """

    layers: tuple[dict[str, Any], ...]
    shape: Shape

    @classmethod
    def of_sequential(cls, network: keras.Sequential, shape: Shape) -> "Blueprint":
        """Describe a user's Sequential, which is not changed.

        Its weights are ignored, because each trial draws its own.

        Raises:
            SpecError: if it is compiled, or if a lottery layer is inside another layer.
            NothingToPrune: if it has no lottery layer.
        """
        if network.compiled:
            raise SpecError(
                "the network is compiled, but its optimizer and loss would not be used; leave "
                "compile() out, and give training=Training(optimizer=...)"
            )
        layers: list[Any] = [
            layer for layer in network.layers if not isinstance(layer, keras.layers.InputLayer)
        ]
        for layer in layers:
            if any(
                isinstance(part, Prunable) for part in layer._flatten_layers(include_self=False)
            ):
                raise SpecError(
                    f"'{layer.name}' ({type(layer).__name__}) has lottery layers within it, which "
                    "would not be pruned; list them in the network itself"
                )
        if not any(isinstance(layer, Prunable) for layer in layers):
            raise NothingToPrune(
                f"none of the {len(layers)} layers can be pruned; use LotteryLinear or "
                "LotteryConv2D in place of Dense or Conv2D"
            )
        return cls._named(layers, shape)

    @classmethod
    def of_spec(cls, network: Network, shape: Shape, classes: int) -> "Blueprint":
        """The network of a spec, for samples of `shape` and a number of classes."""
        layers = [
            keras.layers.deserialize(layer.keras_config())
            for layer in network.expand(shape, classes)
        ]
        return cls._named(layers, shape)

    @classmethod
    def _named(cls, layers: Sequence[keras.Layer], shape: Shape) -> "Blueprint":
        named = []
        for layer, name in zip(layers, _names(layers), strict=True):
            config: dict[str, Any] = copy.deepcopy(keras.layers.serialize(layer))  # pyright: ignore[reportAssignmentType]
            config.pop("build_config", None)
            config["config"]["name"] = name
            named.append(config)
        return cls(tuple(named), tuple(shape))

    @cached_property
    def key(self) -> str:
        """The blueprint as text; equal networks have equal keys."""
        return json.dumps([self.layers, self.shape], sort_keys=True, default=str)

    @property
    def convolves(self) -> bool:
        """Whether any layer is a convolution."""
        return any("Conv" in layer["class_name"] for layer in self.layers)

    def freezing(self) -> "Blueprint":
        """The same network with variables for the values of pruned weights."""
        layers = copy.deepcopy(self.layers)
        for layer in layers:
            if "Lottery" in layer["class_name"]:
                layer["config"]["freezes"] = True
        return Blueprint(layers, self.shape)

    def build(self, seed: int = 0) -> keras.Sequential:
        """A built network with initial weights that depend only on `seed`.

        Every random initializer gets its own seed, derived from the seed of the trial. Seeds that a
        user gave to an initializer are ignored, because trials must be independent.
        """
        layers = copy.deepcopy(self.layers)
        for number, layer in enumerate(layers):
            rng = generator(seed, Purpose.INITIAL_WEIGHTS, number)
            settings = [value for value in layer["config"].values() if isinstance(value, dict)]
            for config in (layer["config"], *(value.get("config", {}) for value in settings)):
                _seed(config, rng)
        model = keras.Sequential([_layer(layer) for layer in layers], name="network")
        model.build((None, *self.shape))
        return model

    def initial_weights(self, seed: int) -> Weights:
        """The initial weights of a trial, float32 by path."""
        return read(weight_variables(self.build(seed)))

    def fresh_kernel(self, place: "PrunablePlace", seed: int, level: int) -> np.ndarray:
        """New random weights for a kernel from its initializer, float32."""
        names = [layer["config"]["name"] for layer in self.layers]
        rng = generator(seed, Purpose.INITIAL_WEIGHTS, names.index(place.name), level)
        initializer = copy.deepcopy(self.layers[names.index(place.name)]["config"])[
            "kernel_initializer"
        ]
        _seed(initializer["config"], rng)
        drawn = keras.initializers.deserialize(initializer)(place.layer.mask.shape)
        return np.array(keras.ops.convert_to_numpy(drawn), np.float32)


@dataclass(frozen=True, slots=True)
class PrunablePlace:
    """A lottery layer in a built network."""

    name: str
    role: Role
    layer: Any

    @property
    def kernel(self) -> str:
        """The path of its kernel in the weights of the network."""
        return f"{self.name}/{KERNEL}"


def prunable(model: keras.Sequential, output: str | None = None) -> tuple[PrunablePlace, ...]:
    """The lottery layers of a built network, in order.

    Args:
        model: the network.
        output: name of the output layer; by default the last layer that has a kernel.

    Raises:
        SpecError: if no lottery layer has that name.
    """
    layers = [layer for layer in model.layers if isinstance(layer, Prunable)]
    names = [layer.name for layer in layers]
    if output is not None and output not in names:
        raise SpecError(f"no lottery layer is called '{output}'; there are: {', '.join(names)}")
    last = output or next(layer.name for layer in reversed(model.layers) if hasattr(layer, KERNEL))
    return tuple(PrunablePlace(layer.name, _role(layer, last), layer) for layer in layers)


def weight_variables(model: keras.Sequential) -> dict[str, keras.Variable]:
    """The variables that a training changes, by path: weights, moving averages, random states.

    Masks and frozen values are excluded; they belong to a level.
    """
    found: dict[str, keras.Variable] = {}
    for layer in model.layers:
        held = {id(variable) for variable in _held(layer)}
        for variable in layer.variables:
            if id(variable) not in held:
                path = _path(layer, variable)
                assert path not in found, f"two variables are called {path}"
                found[path] = variable
    return found


def noise_states(weights: Weights, seed: int, level: int) -> Weights:
    """The states of random layers such as dropout at the start of a level, by path."""
    paths = [path for path in weights if path.endswith(RANDOM_STATE)]
    return {
        path: np.array([generator(seed, Purpose.LAYER_NOISE, level, n).integers(2**31), 0])
        for n, path in enumerate(paths)
    }


def read(variables: dict[str, keras.Variable]) -> Weights:
    """Copy variables to arrays."""
    return {path: np.array(variable.numpy()) for path, variable in variables.items()}


def write(variables: dict[str, keras.Variable], weights: Weights) -> None:
    """Copy arrays to variables; both must have the same paths."""
    if variables.keys() != weights.keys():
        differing = sorted(variables.keys() ^ weights.keys())
        raise SpecError(f"these weights belong to another network; differing: {differing}")
    for path, variable in variables.items():
        variable.assign(weights[path])


def _names(layers: Sequence[keras.Layer]) -> list[str]:
    """The given name of each layer, or its kind and a number, such as ``linear_1``.

    Keras counts unnamed layers through the whole process; these names count within the network.
    """
    taken = {layer.name for layer in layers if not _named_by_keras(layer)}
    names = []
    for layer in layers:
        name = layer.name
        if _named_by_keras(layer):
            kind = _snake_case(type(layer).__name__).removeprefix("lottery_")
            name = next(free for n in count(1) if (free := f"{kind}_{n}") not in taken)
            taken.add(name)
        names.append(name)
    return names


def _named_by_keras(layer: keras.Layer) -> bool:
    return re.fullmatch(rf"{_snake_case(type(layer).__name__)}(_\d+)?", layer.name) is not None


def _snake_case(name: str) -> str:
    """The name of a class in the style of Keras' layer names."""
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()


def _layer(config: dict[str, Any]) -> keras.Layer:
    layer = keras.layers.deserialize(config)
    if type(layer) is _DROPOUT:
        return HashedDropout.from_config(config["config"])
    if type(layer) is _MAX_POOLING and layer.data_format == "channels_last" and not on_cpu():
        return SlicedMaxPooling2D.from_config(config["config"])
    return layer


def _seed(config: dict[str, Any], rng: np.random.Generator) -> None:
    if "seed" in config:
        config["seed"] = int(rng.integers(2**31))


def _held(layer: Any) -> list[keras.Variable]:
    if not isinstance(layer, Prunable):
        return []
    return [layer.mask] if layer.frozen is None else [layer.mask, layer.frozen]


def _role(layer: Any, output: str) -> Role:
    if layer.name == output:
        return "output"
    return "convolution" if isinstance(layer, keras.layers.Conv2D) else "dense"


def _path(layer: Any, variable: keras.Variable) -> str:
    """The path of a variable from its layer on; random states have paths outside of their layer."""
    _, found, within = f"/{variable.path}".partition(f"/{layer.name}/")
    return f"{layer.name}/{within if found else variable.name}"
