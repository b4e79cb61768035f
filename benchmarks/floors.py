"""The lower bound of the training time: only the products of a training.

With the same libraries, no training of the network in float32 can be faster.
"""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.watch import AFTERWARDS, WATCH
from benchmarks.workload import BATCH, IMAGES, VALIDATION, job


def products(epochs: int) -> Callable[[], int]:
    """The matrix products of LeNet-300-100's training steps, in NumPy, one process per core."""
    pool = ProcessPoolExecutor(2, multiprocessing.get_context("spawn"))
    AFTERWARDS.callback(pool.shutdown)
    steps = job("lenet", epochs).training.iterations(60_000 - VALIDATION)
    for done in [pool.submit(_multiply, 100) for _ in range(2)]:
        done.result()

    def work() -> int:
        done = [pool.submit(_multiply, steps) for _ in range(2)]
        WATCH.on(lambda: [one.result() for one in done])()
        return 2 * steps * BATCH

    return work


def _multiply(steps: int) -> None:
    rng = np.random.default_rng(0)
    sizes = (784, 300, 100, 10)
    values = [rng.random((BATCH, size), np.float32) for size in sizes]
    kernels = [rng.random(shape, np.float32) for shape in pairwise(sizes)]
    outputs = [np.empty_like(value) for value in values]
    gradients = [np.empty_like(kernel) for kernel in kernels]
    for _ in range(steps):
        for number, kernel in enumerate(kernels):
            np.matmul(values[number], kernel, out=outputs[number + 1])
        for number in reversed(range(len(kernels))):
            np.matmul(values[number].T, outputs[number + 1], out=gradients[number])
            if number > 0:
                np.matmul(outputs[number + 1], kernels[number].T, out=outputs[number])


def convolutions(epochs: int) -> Callable[[], int]:
    """The convolutions and matrix products of Conv-2's training steps, in TensorFlow's graph."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    convolved: Any = [
        [tf.constant(rng.random(shape, np.float32)) for shape in shapes]
        for shapes in (
            ((BATCH, 32, 32, 3), (3, 3, 3, 64), (BATCH, 32, 32, 64)),
            ((BATCH, 32, 32, 64), (3, 3, 64, 64), (BATCH, 32, 32, 64)),
        )
    ]
    multiplied: Any = [
        [tf.constant(rng.random(shape, np.float32)) for shape in ((BATCH, i), (i, o), (BATCH, o))]
        for i, o in pairwise((16 * 16 * 64, 256, 256, 10))
    ]
    window: Any = {"strides": [1, 1, 1, 1], "padding": "SAME"}

    @tf.function
    def step(convolved: Any, multiplied: Any) -> Any:
        made = []
        for number, (x, kernel, y) in enumerate(convolved):
            made.append(tf.nn.conv2d(x, kernel, **window))
            made.append(
                tf.raw_ops.Conv2DBackpropFilter(
                    input=x, filter_sizes=kernel.shape, out_backprop=y, **window
                )
            )
            if number > 0:
                made.append(
                    tf.raw_ops.Conv2DBackpropInput(
                        input_sizes=x.shape, filter=kernel, out_backprop=y, **window
                    )
                )
        for x, kernel, y in multiplied:
            made.append(tf.matmul(x, kernel))
            made.append(tf.matmul(x, y, transpose_a=True))
            made.append(tf.matmul(y, kernel, transpose_b=True))
        return made

    take_step = WATCH.on(step)
    take_step(convolved, multiplied)
    steps = job("conv-2", epochs).training.iterations(IMAGES)

    def work() -> int:
        for _ in range(steps):
            take_step(convolved, multiplied)
        return steps * BATCH

    return work
