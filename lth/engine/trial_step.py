"""Tries a training step of a network with layers that specs cannot name.

Keras has layers that XLA cannot compile, such as `RandomRotation`, and users write their own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lth.core.errors import SpecError
from lth.engine.device import on_cpu
from lth.engine.layer_configs import drew_without_seed, isolated
from lth.engine.network import Blueprint
from lth.networks import Shape

_TRIED = frozenset(
    {
        "Activation",
        "AveragePooling2D",
        "BatchNormalization",
        "Dropout",
        "Flatten",
        "GlobalAveragePooling2D",
        "LotteryConv2D",
        "LotteryLinear",
        "MaxPooling2D",
    }
)
"""The layers of specs, which train with and without XLA."""


def xla_compiles(blueprint: Blueprint, model: keras.Sequential, *, wanted: bool) -> bool:
    """Whether to compile the network with XLA, after a trial step with it.

    The trial changes variables of the network, such as moving averages.

    Args:
        blueprint: the network.
        model: the built network.
        wanted: whether XLA should be used if it can.

    Raises:
        SpecError: if the network cannot be trained without XLA either, or if a layer draws random
            numbers that do not follow from the seed.
    """
    if blueprint.classes <= _TRIED:
        return wanted
    for xla in (True, False) if wanted else (False,):
        tried = _try(model, blueprint.shape, xla=xla)
        if tried.drew_without_seed:
            raise _not_reproducible(model, blueprint.shape)
        if tried.error is None:
            return xla
    raise _not_trainable(model, blueprint.shape)


@dataclass(frozen=True, slots=True)
class _Trial:
    """What a trial step did."""

    error: Exception | None
    drew_without_seed: bool


def _try(model: keras.Sequential, shape: Shape, *, xla: bool) -> _Trial:
    """Take the gradients of a sum of the outputs for two samples."""
    weights = [weight.value for weight in model.trainable_variables]

    def step(samples: Any) -> Any:
        with tf.GradientTape() as tape:
            outputs = tf.reduce_sum(tf.cast(model(samples, training=True), tf.float32))
        return tape.gradient(outputs, weights)

    error = None
    with isolated(np.random.default_rng(0)):
        try:
            tf.function(step, jit_compile=xla)(np.ones((2, *shape), np.float32))
        except Exception as raised:
            error = raised
        return _Trial(error, drew_without_seed())


def _first(
    model: keras.Sequential, shape: Shape, fails: Callable[[_Trial], bool]
) -> tuple[str, _Trial]:
    """The first layer of a network with which a trial step fails, and that trial."""
    last, tried = 0, _Trial(None, drew_without_seed=False)
    for last in range(1, len(model.layers) + 1):
        part = keras.Sequential(model.layers[:last])
        part.build((None, *shape))
        tried = _try(part, shape, xla=False)
        if fails(tried):
            break
    layer = model.layers[last - 1]
    return f"'{layer.name}' ({type(layer).__name__})", tried


def _not_reproducible(model: keras.Sequential, shape: Shape) -> SpecError:
    layer, _ = _first(model, shape, lambda tried: tried.drew_without_seed)
    return SpecError(
        f"{layer} draws random numbers without a seed, so equal seeds would give different "
        "results; give it a keras.random.SeedGenerator as an attribute, and draw with it"
    )


def _not_trainable(model: keras.Sequential, shape: Shape) -> SpecError:
    layer, tried = _first(model, shape, lambda tried: tried.error is not None)
    device = "CPU" if on_cpu() else "GPU"
    return SpecError(f"{layer} cannot be trained on this {device}: {_said(tried.error)}")


def _said(error: Exception | None) -> str:
    """The line of an error that says most; TensorFlow's errors have many."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if "Error: " in line] or lines or [type(error).__name__]
    return telling[0][:300]
