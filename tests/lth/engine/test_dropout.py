"""The random bits of dropout: right share, no pattern, reproducible, inactive at inference."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lth.engine.dropout import HashedDropout, hashed_bits


def bits(low: int, high: int, count: int) -> np.ndarray:
    return hashed_bits(tf.constant(low, tf.uint32), tf.constant(high, tf.uint32), count).numpy()


def test_bits_are_evenly_distributed():
    drawn = bits(7, 0, 100_000)
    each = [(drawn >> np.uint32(bit)) & np.uint32(1) for bit in range(32)]
    assert np.mean(each, axis=1) == pytest.approx(0.5, abs=0.01)


def test_neighbouring_keys_and_elements_are_uncorrelated():
    one, next_step, next_layer = bits(7, 0, 50_000), bits(7, 1, 50_000), bits(8, 0, 50_000)
    for a, b in ((one, next_step), (one, next_layer), (one[:-1], one[1:])):
        assert abs(np.corrcoef(a.astype(float), b.astype(float))[0, 1]) < 0.02


def test_a_share_is_dropped_and_the_rest_is_scaled_up():
    layer = HashedDropout(0.3, seed=1)
    outputs = layer(np.ones((200, 500), "float32"), training=True).numpy()
    assert np.mean(outputs == 0) == pytest.approx(0.3, abs=0.01)
    assert np.unique(outputs[outputs > 0]) == pytest.approx([1 / 0.7])


def test_each_call_draws_new_noise_and_the_state_reproduces_it():
    layer, inputs = HashedDropout(0.5, seed=1), np.ones((4, 50), "float32")
    state = layer.seed_generator.state.numpy()
    first, second = layer(inputs, training=True), layer(inputs, training=True)
    assert not np.array_equal(first, second)
    layer.seed_generator.state.assign(state)
    assert np.array_equal(layer(inputs, training=True), first)


def test_a_noise_shape_drops_whole_slices():
    layer = HashedDropout(0.5, noise_shape=(None, 1), seed=1)
    outputs = layer(np.ones((100, 8), "float32"), training=True).numpy()
    assert set(outputs.sum(axis=1)) == {0.0, 16.0}


def test_nothing_is_dropped_at_inference():
    inputs = np.ones((3, 4), "float32")
    assert np.array_equal(HashedDropout(0.5)(inputs, training=False), inputs)


def test_it_has_the_type_and_the_configuration_of_keras_dropout():
    assert isinstance(HashedDropout(0.5), keras.layers.Dropout)
    assert HashedDropout(0.5).get_config().keys() == keras.layers.Dropout(0.5).get_config().keys()
