"""Configurations of layers as Keras serializes them: stable names and seeds, at every depth.

A configuration may contain others: the layers of a block, the layer in a wrapper, the cells of a
recurrent layer, and initializers.
"""

import copy
import random
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any

import keras
import numpy as np
from keras.src.backend.common import global_state

from lth.core.errors import SpecError
from lth.engine.device import on_cpu
from lth.engine.dropout import HashedDropout
from lth.engine.keras_defaults import keras_defaults
from lth.engine.pooling import SlicedMaxPooling2D

LayerConfig = dict[str, Any]
"""A layer as `keras.layers.serialize` returns it."""

_HAS_INNER_LAYERS_BY_NAME = ("input_layers", "output_layers")
_BUILT_FROM = ("build_config", "compile_config", "build_input_shape")
_GLOBALS_OF_KERAS = ("object_name_uids", "global_seed_generator")


def layer_configs(layers: Sequence[keras.Layer]) -> tuple[LayerConfig, ...]:
    """Serialize the layers of a network; their names do not depend on other networks.

    Raises:
        SpecError: if a layer cannot be created from its configuration.
    """
    configs = []
    for layer, name in zip(layers, _names(layers), strict=True):
        config = _serialized(layer)
        config["config"]["name"] = name
        _rename_inner(config["config"])
        configs.append(config)
    return tuple(configs)


def seeded(config: LayerConfig, rng: np.random.Generator) -> LayerConfig:
    """A copy in which every seed, of the layer and of everything inside it, is drawn from `rng`."""
    config = copy.deepcopy(config)
    for inner in _configs_in(config["config"]):
        if "seed" in inner:
            inner["seed"] = int(rng.integers(2**31))
    return config


def create_layer(config: LayerConfig) -> keras.Layer:
    """Create a layer for the engine, which replaces a few layers by equivalent ones."""
    config = copy.deepcopy(config)
    for inner in _layers_in(config):
        _replace(inner)
    return keras.layers.deserialize(config)


def layer_classes(config: LayerConfig) -> list[str]:
    """The names of the classes of a layer and of all layers inside it."""
    return [inner["class_name"] for inner in _layers_in(config)]


@contextmanager
def isolated(rng: np.random.Generator) -> Iterator[None]:
    """Create layers that depend only on their configurations and on `rng`.

    Keras numbers unnamed layers, draws missing seeds and takes defaults from states of the process.
    They are replaced within the context, and are as before after it.
    """
    replaced = {name: global_state.get_global_attribute(name) for name in _GLOBALS_OF_KERAS}
    python, numpy = random.getstate(), np.random.get_state()
    for name in _GLOBALS_OF_KERAS:
        global_state.set_global_attribute(name, None)
    random.seed(int(rng.integers(2**63)))
    np.random.seed(int(rng.integers(2**32)))
    try:
        with keras_defaults():
            yield
    finally:
        for name, value in replaced.items():
            global_state.set_global_attribute(name, value)
        random.setstate(python)
        np.random.set_state(numpy)


def drew_without_seed() -> bool:
    """Whether random numbers without a seed were drawn since the start of `isolated`."""
    return global_state.get_global_attribute("global_seed_generator") is not None


def named_by_keras(name: str, kind: str) -> bool:
    """Whether a layer of the class `kind` has a default name, such as ``dense_3``."""
    return re.fullmatch(rf"(forward_|backward_)?{snake_case(kind)}(_\d+)?", name) is not None


def snake_case(name: str) -> str:
    """The name of a class in the style of Keras' layer names."""
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()


def inner_names(layers: Sequence[tuple[str, str]]) -> list[str]:
    """Unique names for layers inside one layer: the given ones, or the kind and a number.

    They are numbered as Keras does: ``dense``, ``dense_1``.

    Args:
        layers: name and class of each.
    """
    taken = {name for name, kind in layers if not named_by_keras(name, kind)}
    names, given = [], set()
    for name, kind in layers:
        free = name
        if named_by_keras(name, kind) or name in given:
            stem = snake_case(kind) if named_by_keras(name, kind) else name
            numbered = (f"{stem}_{n}" if n else stem for n in count())
            free = next(each for each in numbered if each not in taken)
            taken.add(free)
        given.add(free)
        names.append(free)
    return names


def _names(layers: Sequence[keras.Layer]) -> list[str]:
    """The given name of each layer of a network, or its kind and a number, such as ``linear_1``."""
    kinds = [(layer, type(layer).__name__) for layer in layers]
    taken = {layer.name for layer, kind in kinds if not named_by_keras(layer.name, kind)}
    names = []
    for layer, kind in kinds:
        name = layer.name
        if named_by_keras(name, kind):
            stem = snake_case(kind).removeprefix("lottery_")
            name = next(free for n in count(1) if (free := f"{stem}_{n}") not in taken)
            taken.add(name)
        names.append(name)
    return names


def _serialized(layer: keras.Layer) -> LayerConfig:
    """The configuration of a layer, without seeds and the shapes that it was built for.

    Raises:
        SpecError: if the layer cannot be created from it.
    """
    config, error = _recreated(layer)
    if error is not None:
        raise _not_recreated(layer) from error
    for inner in _layers_in(config):
        for key in _BUILT_FROM:
            inner.pop(key, None)
            inner["config"].pop(key, None)
    for inner in _configs_in(config["config"]):
        if "seed" in inner:
            inner["seed"] = None
    if not layer.trainable:
        for inner in _layers_in(config):
            # Blocks do not say it of the layers that are set to trainable again within them.
            if "trainable" in inner["config"]:
                inner["config"]["trainable"] = False
    return config


def _not_recreated(layer: keras.Layer) -> SpecError:
    """The error for a layer that cannot be created from its configuration."""
    inside = reversed(layer._flatten_layers(include_self=True))
    culprit, error = next(
        (each, error) for each in inside if (error := _recreated(each)[1]) is not None
    )
    lambdas = [
        f"'{name}'"
        for name, value in vars(culprit).items()
        if getattr(value, "__name__", "") == "<lambda>"
    ]
    why = f"{', '.join(lambdas)} is a lambda" if lambdas else str(error).partition(". ")[0][:200]
    return SpecError(
        f"'{culprit.name}' ({type(culprit).__name__}) cannot be created again from its "
        f"configuration, as each trial does: {why}; give functions and classes of Keras, or "
        "register your own named ones with @keras.saving.register_keras_serializable()"
    )


def _recreated(layer: keras.Layer) -> tuple[LayerConfig, Exception | None]:
    """The configuration of a layer, and the error that creating a layer from it raises."""
    try:
        with warnings.catch_warnings(), isolated(np.random.default_rng(0)):
            warnings.simplefilter("ignore")  # Keras warns of each lambda
            config: LayerConfig = copy.deepcopy(keras.layers.serialize(layer))  # pyright: ignore[reportAssignmentType]
            keras.layers.deserialize(copy.deepcopy(config))
    except Exception as error:
        return {}, error
    return config, None


def _rename_inner(config: dict[str, Any]) -> None:
    """Give the layers inside a layer names that do not depend on other networks.

    Args:
        config: the arguments of the outer layer; it is changed.
    """
    inner = list(_nearest_layers(config))
    old = [(_name(each), each["class_name"]) for each in inner]
    renamed = {
        name: new for (name, _), new in zip(old, inner_names(old), strict=True) if name != new
    }
    for each in inner:
        name = renamed.get(_name(each), _name(each))
        for holder in (each, each["config"]):
            if "name" in holder:
                holder["name"] = name
        _rename_inner(each["config"])
    for each in config.get("layers", ()):
        if isinstance(each, dict):
            each["inbound_nodes"] = _with_names(each.get("inbound_nodes", []), renamed)
    for key in _HAS_INNER_LAYERS_BY_NAME:
        if key in config:
            config[key] = _with_names(config[key], renamed)


def _with_names(value: Any, renamed: dict[str, str]) -> Any:
    """A copy of a part of a functional model's configuration, with new names of layers.

    References to an output are written ``[name, node, tensor]``.
    """
    if isinstance(value, dict):
        return {key: _with_names(each, renamed) for key, each in value.items()}
    if not isinstance(value, list | tuple):
        return value
    match list(value):
        case [str(name), int(), int()]:
            return [renamed.get(name, name), *value[1:]]
        case parts:
            return [_with_names(each, renamed) for each in parts]


def _nearest_layers(value: Any) -> Iterator[LayerConfig]:
    """The configurations of layers in `value` that are not inside another one of them."""
    if isinstance(value, dict):
        if _is_layer(value):
            yield value
            return
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            yield from _nearest_layers(each)


def _layers_in(config: LayerConfig) -> Iterator[LayerConfig]:
    """A layer's configuration, and those of all layers inside it."""
    yield config
    for inner in _nearest_layers(config["config"]):
        yield from _layers_in(inner)


def _configs_in(value: Any) -> Iterator[dict[str, Any]]:
    """A dictionary, and all dictionaries inside it, outer ones first."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            yield from _configs_in(each)


def _name(config: LayerConfig) -> str:
    """The name of a layer; functional models have it beside the arguments too."""
    return config["config"].get("name") or config["name"]


def _is_layer(config: dict[str, Any]) -> bool:
    """Whether a configuration is that of a layer: besides layers, only policies have a name."""
    kind, inner = config.get("class_name"), config.get("config")
    return (
        isinstance(kind, str)
        and isinstance(inner, dict)
        and ("name" in inner or "inbound_nodes" in config)
        and not kind.endswith(("DTypePolicy", "DTypePolicyMap"))
    )


def _replace(config: LayerConfig) -> None:
    """Replace layers of Keras by the engine's layers with the same arguments."""
    if config.get("module") != "keras.layers":
        return
    name, arguments = config["class_name"], config["config"]
    if name == "Dropout":
        _become(config, HashedDropout)
    elif (
        name in ("MaxPooling2D", "MaxPool2D")
        and arguments.get("data_format") == "channels_last"
        and not on_cpu()
    ):
        _become(config, SlicedMaxPooling2D)


def _become(config: LayerConfig, layer: type[keras.Layer]) -> None:
    registered = keras.saving.get_registered_name(layer)
    config |= {
        "module": layer.__module__,
        "class_name": layer.__name__,
        "registered_name": registered,
    }
