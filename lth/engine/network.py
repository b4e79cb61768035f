"""Describes a Keras Sequential so that the engine can build it repeatedly.

A blueprint is the list of layer configurations. Layer names do not depend on other networks of the
process, so weights, masks and compiled programs have the same keys everywhere.
"""

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any

import keras
import numpy as np

from lth.core.errors import NothingToPrune, SpecError
from lth.core.seeds import Purpose, generator
from lth.engine.existing_state import InitialWeights, check_fits, kept_state
from lth.engine.keras_defaults import check_dtypes, keras_defaults
from lth.engine.layer_configs import (
    LayerConfig,
    create_layer,
    isolated,
    layer_classes,
    layer_configs,
    seeded,
)
from lth.engine.layers import Prunable
from lth.engine.variables import Weights, layers_within, read, weight_variables
from lth.networks import Network, Shape
from lth.pruning.masks import Role

KERNEL = "kernel"


@dataclass(frozen=True)
class Blueprint:
    """An unbuilt network: layer configurations as Keras serializes them, and an input shape.

    Attributes:
        layers: one configuration for each layer, with a unique name.
        shape: shape of a sample.
        kept: values with which every trial starts instead of drawing them, by address.
    """

    layers: tuple[LayerConfig, ...]
    shape: Shape
    kept: Mapping[str, np.ndarray] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of_sequential(
        cls,
        network: keras.Sequential,
        shape: Shape,
        initial_weights: InitialWeights | None = None,
    ) -> "Blueprint":
        """Describe a user's Sequential, which is not changed.

        Args:
            network: built or not. Frozen layers keep their weights.
            shape: shape of a sample.
            initial_weights: what becomes of trainable weights that it has already.

        Raises:
            SpecError: if it is compiled, if a lottery layer is inside another layer, or if
                `existing_state.kept_state` refuses its state.
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
            check_dtypes(layer)
            within = (inner for _, inner in layers_within(layer, "") if inner is not layer)
            if any(isinstance(inner, Prunable) for inner in within):
                raise SpecError(
                    f"'{layer.name}' ({type(layer).__name__}) has lottery layers within it, which "
                    "would not be pruned; list them in the network itself"
                )
        if not any(isinstance(layer, Prunable) for layer in layers):
            raise NothingToPrune(
                f"none of the {len(layers)} layers can be pruned; use LotteryLinear or "
                "LotteryConv2D in place of Dense or Conv2D"
            )
        configs = layer_configs(layers)
        names = [config["config"]["name"] for config in configs]
        return cls(configs, tuple(shape), kept_state(layers, names, initial_weights))

    @classmethod
    def of_spec(cls, network: Network, shape: Shape, classes: int) -> "Blueprint":
        """The network of a spec, for samples of `shape` and a number of classes."""
        with keras_defaults():
            layers = [
                keras.layers.deserialize(layer.keras_config())
                for layer in network.expand(shape, classes)
            ]
        return cls(layer_configs(layers), tuple(shape))

    @cached_property
    def key(self) -> str:
        """The blueprint as text; equal networks have equal keys."""
        described: list[Any] = [self.layers, self.shape]
        if self.kept:
            described.append({address: _digest(array) for address, array in self.kept.items()})
        return json.dumps(described, sort_keys=True, default=str)

    @property
    def starts_from_given_weights(self) -> bool:
        """Whether the kernels of lottery layers are kept instead of drawn."""
        lottery = [
            each["config"]["name"] for each in self.layers if "Lottery" in each["class_name"]
        ]
        return any(f"{name}/{KERNEL}" in self.kept for name in lottery)

    @property
    def classes(self) -> frozenset[str]:
        """The names of the classes of all layers, at every depth."""
        return frozenset(name for layer in self.layers for name in layer_classes(layer))

    @property
    def convolves(self) -> bool:
        """Whether any layer is a convolution, or contains one."""
        return any("Conv" in name for name in self.classes)

    def freezing(self) -> "Blueprint":
        """The same network with variables for the values of pruned weights."""
        layers = copy.deepcopy(self.layers)
        for layer in layers:
            if "Lottery" in layer["class_name"]:
                layer["config"]["freezes"] = True
        return Blueprint(layers, self.shape, self.kept)

    def build(self, seed: int = 0) -> keras.Sequential:
        """A built network with initial weights that depend only on `seed`.

        Every random initializer and every random layer, at any depth, gets its own seed, derived
        from the seed of the trial. Seeds that a user gave are ignored, because trials must be
        independent.
        """
        with isolated(generator(seed, Purpose.INITIAL_WEIGHTS)):
            layers = [
                create_layer(seeded(layer, generator(seed, Purpose.INITIAL_WEIGHTS, number)))
                for number, layer in enumerate(self.layers)
            ]
            model = keras.Sequential(layers, name="network")
            model.build((None, *self.shape))
        if self.kept:
            variables = weight_variables(model)
            check_fits(self.kept, variables)
            for address, values in self.kept.items():
                variables[address].assign(values)
        return model

    def initial_weights(self, seed: int) -> Weights:
        """The initial weights of a trial, float32 by path."""
        return read(weight_variables(self.build(seed)))

    def fresh_kernel(self, place: "PrunablePlace", seed: int, level: int) -> np.ndarray:
        """New random weights for a kernel from its initializer, float32."""
        names = [layer["config"]["name"] for layer in self.layers]
        rng = generator(seed, Purpose.INITIAL_WEIGHTS, names.index(place.name), level)
        layer = self.layers[names.index(place.name)]
        initializer = seeded(layer["config"]["kernel_initializer"], rng)
        draw = keras.initializers.deserialize(initializer)
        drawn = draw(place.layer.mask.shape, dtype="float32")
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


def _digest(array: np.ndarray) -> str:
    about = f"{array.dtype.str} {array.shape}".encode()
    return sha256(about + np.ascontiguousarray(array).tobytes()).hexdigest()


def _role(layer: Any, output: str) -> Role:
    if layer.name == output:
        return "output"
    return "convolution" if isinstance(layer, keras.layers.Conv2D) else "dense"
