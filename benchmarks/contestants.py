"""Runs one contestant in this process, and prints its measurements as a line of JSON.

All contestants do the same arithmetic, so batches per second can be compared. All of them compile
their programs before the measurement starts.
"""

import json
import os
import resource
import sys
from collections.abc import Callable
from time import perf_counter, process_time
from typing import Any

import numpy as np

from benchmarks.floors import convolutions, products
from benchmarks.watch import AFTERWARDS, WATCH
from benchmarks.workload import BATCH, HELD, RATE, TRIALS, VALIDATION, cifar, job, mnist

Timed = Callable[[], int]
"""Does the work; returns the number of training samples."""


def engine(network: str, epochs: int) -> Timed:
    """Dense training by the engine, as a worker does it."""
    from lth.experiment.context import Context
    from lth.study.session import LotterySession

    spec = job(network, epochs)
    arrays = cifar() if network == "conv-2" else mnist()
    context = Context.of_spec(spec, 1, arrays)
    short = Context.of_spec(job(network, 1), 1, arrays)
    LotterySession.under(short, 1, (0,)).train_dense()
    WATCH.on_engine()

    def work() -> int:
        LotterySession.under(context, 1, (0,)).train_dense()
        return spec.training.iterations(len(context.data.train)) * BATCH

    return work


def keras_fit(network: str, epochs: int, times: int = 1) -> Timed:
    """`fit` of a compiled Keras model with the same masked layers, validation each epoch."""
    import keras

    from lth.engine.network import Blueprint

    spec = job(network, epochs)
    arrays = cifar() if network == "conv-2" else mnist()
    held = HELD if network == "conv-2" else VALIDATION
    x, y = arrays.x_train.astype(np.float32) / np.float32(255), arrays.y_train
    facts = spec.dataset.facts
    built = Blueprint.of_spec(spec.network, facts.shape, facts.classes).build()
    config: list[Any] = [keras.layers.serialize(layer) for layer in built.layers]
    for layer in config:
        if layer["class_name"] == "HashedDropout":
            layer.update(class_name="Dropout", module="keras.layers", registered_name=None)
    model: Any = keras.Sequential([keras.layers.deserialize(layer) for layer in config])
    model.build((None, *facts.shape))
    model.compile(
        keras.optimizers.Adam(RATE),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    start = model.get_weights()
    train = (x[held:], y[held:])
    validation = (x[:held], y[:held])
    model.fit(*train, BATCH, 1, verbose=0, validation_data=validation)
    model.train_function = WATCH.on(model.train_function)
    model.test_function = WATCH.on(model.test_function)

    def work() -> int:
        for _ in range(times):
            model.set_weights(start)
            model.fit(*train, BATCH, epochs, verbose=0, validation_data=validation)
        return len(train[0]) // BATCH * BATCH * epochs * times

    return work


def tensorflow_steps(network: str, epochs: int) -> Timed:
    """A plain loop over a compiled step in TensorFlow's graph, without XLA."""
    import keras
    import tensorflow as tf

    from lth.engine.network import Blueprint

    spec, arrays = job(network, epochs), cifar()
    facts = spec.dataset.facts
    model = Blueprint.of_spec(spec.network, facts.shape, facts.classes).build()
    optimizer = keras.optimizers.Adam(2e-4)
    optimizer.build(model.trainable_variables)
    x = tf.constant(arrays.x_train[HELD:].astype(np.float32) / np.float32(255))
    y = tf.constant(arrays.y_train[HELD:])
    held_x = tf.constant(arrays.x_train[:HELD].astype(np.float32) / np.float32(255))
    test_x = tf.constant(arrays.x_test.astype(np.float32) / np.float32(255))

    @tf.function
    def step(rows: Any) -> Any:
        with tf.GradientTape() as tape:
            logits = model(tf.gather(x, rows), training=True)
            loss = tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(tf.gather(y, rows), logits)
            )
        gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
        optimizer.apply(gradients, model.trainable_variables)
        return loss

    @tf.function
    def classify(images: Any) -> Any:
        return model(images, training=False)

    take_step, classified = WATCH.on(step), WATCH.on(lambda images: classify(images).numpy())

    def train(epochs: int) -> int:
        rng, done = np.random.default_rng(0), 0
        for _ in range(epochs):
            order = rng.permutation(len(y)).astype(np.int32)
            for rows in order[: len(order) // BATCH * BATCH].reshape(-1, BATCH):
                take_step(tf.constant(rows))
                done += BATCH
            classified(held_x)
        classified(test_x)
        return done

    train(1)
    return lambda: train(epochs)


def jax_scan(epochs: int, trials: int = 1) -> Timed:
    """A hand-written epoch under `lax.scan`, several trials by `vmap`."""
    import jax  # pyright: ignore[reportMissingImports]
    import jax.numpy as jnp  # pyright: ignore[reportMissingImports]

    arrays = mnist()
    flat = arrays.x_train.reshape(len(arrays.y_train), -1).astype(np.float32) / np.float32(255)
    x, y = jnp.asarray(flat[VALIDATION:]), jnp.asarray(arrays.y_train[VALIDATION:])
    held_x, held_y = jnp.asarray(flat[:VALIDATION]), jnp.asarray(arrays.y_train[:VALIDATION])
    sizes = ((784, 300), (300, 100), (100, 10))

    def initial(key: Any) -> Any:
        keys = jax.random.split(key, len(sizes))
        draw = jax.nn.initializers.glorot_normal()
        kernels = [draw(k, size) for k, size in zip(keys, sizes, strict=True)]
        return [(kernel, jnp.zeros(kernel.shape[1])) for kernel in kernels]

    masks = [jnp.ones(size) for size in sizes]

    def logits(weights: Any, images: Any) -> Any:
        for number, ((kernel, bias), mask) in enumerate(zip(weights, masks, strict=True)):
            images = images @ (kernel * mask) + bias
            images = jax.nn.relu(images) if number < len(sizes) - 1 else images
        return images

    def loss(weights: Any, rows: Any) -> Any:
        chances = jax.nn.log_softmax(logits(weights, x[rows]))
        return -jnp.mean(jnp.take_along_axis(chances, y[rows][:, None], axis=1))

    def step(state: Any, rows: Any) -> Any:
        weights, first, second, count = state
        value, gradient = jax.value_and_grad(loss)(weights, rows)
        count = count + 1
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradient)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradient)
        rate = RATE * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
        weights = jax.tree.map(
            lambda w, m, v: w - rate * m / (jnp.sqrt(v) + 1e-7), weights, first, second
        )
        return (weights, first, second, count), value

    def epoch(state: Any, order: Any) -> Any:
        state, losses = jax.lax.scan(step, state, order)
        accuracy = jnp.mean(jnp.argmax(logits(state[0], held_x), axis=1) == held_y)
        return state, jnp.mean(losses), accuracy

    compiled = jax.jit(jax.vmap(epoch) if trials > 1 else epoch)
    begin = jax.vmap(initial) if trials > 1 else initial
    keys = jax.random.split(jax.random.key(0), trials)
    weights = begin(keys if trials > 1 else keys[0])
    zeros = jax.tree.map(jnp.zeros_like, weights)
    count = jnp.zeros(trials) if trials > 1 else jnp.zeros(())
    rng, steps = np.random.default_rng(0), len(y) // BATCH

    def order() -> Any:
        drawn = [rng.permutation(len(y))[: steps * BATCH] for _ in range(trials)]
        shape = (trials, steps, BATCH) if trials > 1 else (steps, BATCH)
        return jnp.asarray(np.stack(drawn).reshape(shape), jnp.int32)

    run = WATCH.on(lambda state, rows: jax.block_until_ready(compiled(state, rows)))

    def train(epochs: int) -> int:
        state = (weights, zeros, zeros, count)
        for _ in range(epochs):
            state, _, _ = run(state, order())
        return steps * BATCH * trials * epochs

    train(1)
    return lambda: train(epochs)


def workers(epochs: int, experiments: int, trials: int) -> Timed:
    """A whole job's runs through two worker processes of one thread each."""
    from benchmarks.two_workers import TwoWorkers

    grid = {
        "pruning": {"schedule": {"kind": "one_shot", "sparsity": 0.8}},
        "criteria": ["large_final", "movement", "magnitude_increase", "random", "large_init"],
        "reinit": ["rewind", "random"],
    }
    dataset = {"kind": "mnist", "validation": VALIDATION}
    several = {"experiments": [], "grid": grid} if experiments > 1 else {}
    spec = job("lenet", epochs, dataset=dataset, **several)
    pool = TwoWorkers(spec, mnist(), only_dense=experiments == 1, trials=trials)
    AFTERWARDS.callback(pool.close)

    def work() -> int:
        samples, compiled = pool.run()
        WATCH.seconds += compiled
        return samples

    return work


CONTESTANTS: dict[str, Callable[[int], Timed]] = {
    "engine": lambda epochs: engine("lenet", epochs),
    "keras-fit": lambda epochs: keras_fit("lenet", epochs),
    "jax-scan": lambda epochs: jax_scan(epochs),
    "engine-thread": lambda epochs: engine("lenet", epochs),
    "engine-noise": lambda epochs: engine("lenet-noise", epochs),
    "two-workers": lambda epochs: workers(epochs, 1, TRIALS),
    "keras-fit-five": lambda epochs: keras_fit("lenet", epochs, TRIALS),
    "jax-vmap": lambda epochs: jax_scan(epochs, TRIALS),
    "engine-conv": lambda epochs: engine("conv-2", epochs),
    "keras-fit-conv": lambda epochs: keras_fit("conv-2", epochs),
    "tensorflow-conv": lambda epochs: tensorflow_steps("conv-2", epochs),
    "session": lambda epochs: workers(epochs, 10, 1),
    "keras-fit-pairs": lambda epochs: keras_fit("lenet", epochs, 4),
    "products": products,
    "convolutions": convolutions,
}


def main() -> None:
    """Run the contestant named by the first argument, for the number of epochs in the second."""
    name, epochs = sys.argv[1], int(sys.argv[2])
    work = CONTESTANTS[name](epochs)
    began, used = perf_counter(), process_time()
    WATCH.seconds = 0.0
    samples = work()
    seconds, used = perf_counter() - began, process_time() - used
    AFTERWARDS.close()
    peak = sum(resource.getrusage(who).ru_maxrss for who in _PROCESSES) / 1024
    told = {
        "samples": samples,
        "seconds": seconds,
        "busy": used / seconds,
        "compiled": WATCH.seconds / seconds,
        "peak_mb": peak,
    }
    print(json.dumps(told), flush=True)
    os._exit(0)


_PROCESSES = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)

if __name__ == "__main__":
    main()
