"""Settings of Keras: what they may change, and what they may not."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from lth import ArrayDataset, LotteryConv2D, LotteryLinear, LotteryModel, SpecError, Training
from lth.engine.keras_defaults import keras_defaults
from tests import ROOT
from tests.lth.small import same

RNG = np.random.default_rng(0)
PIXELS = RNG.random((120, 8, 8, 3)).astype("f4")
IMAGES = ArrayDataset(PIXELS, np.arange(120) % 2)
SHORT = Training.model_validate({"duration": "4it", "batch_size": 20})


@pytest.fixture
def strange_settings():
    """Settings of the process as a keras.json or a program may leave them."""
    config = keras.config
    with keras_defaults():
        config.set_image_data_format("channels_first")
        config.set_epsilon(0.5)
        config.set_floatx("float16")
        config.set_dtype_policy("mixed_float16")
        yield
        assert config.image_data_format() == "channels_first", "they are as before"
        assert config.floatx() == "float16"
        assert config.dtype_policy().name == "mixed_float16"


def conv_2() -> LotteryModel:
    model = LotteryModel("conv-2", IMAGES, SHORT, seed=1)
    model.one_shot(0.5, reinit="random")
    return model


@pytest.fixture(scope="module")
def usual() -> LotteryModel:
    return conv_2()


def test_a_named_network_means_the_same_under_all_settings(usual, strange_settings) -> None:
    """With channels first in keras.json, a kernel had the shape (3, 3, 8, 64)."""
    model = conv_2()
    assert model.initial_weights["conv2d_1/kernel"].shape == (3, 3, 3, 64)
    for one, other in zip(usual.trained_levels, model.trained_levels, strict=True):
        assert same(one.weights, other.weights)
        assert one.result.final == other.result.final
    samples = PIXELS[:5]
    assert np.array_equal(usual.network()(samples), model.network()(samples))


def test_the_digest_of_a_method_is_the_same_under_all_settings(usual, strange_settings) -> None:
    assert LotteryModel("conv-2", IMAGES, SHORT, seed=1).context.digest == usual.context.digest


@pytest.mark.parametrize("policy", ["mixed_float16", "float16", "bfloat16", "float64"])
def test_a_network_of_another_precision_is_refused_in_one_sentence(policy: str) -> None:
    inner = layers.Dense(4, dtype=policy, name="half")
    for layer in (inner, keras.Sequential([inner])):
        network = keras.Sequential([layers.Flatten(), layer, LotteryLinear(2)])
        with pytest.raises(SpecError, match=f"'half' .* policy '{policy}', but .* in float32"):
            LotteryModel(network, IMAGES, SHORT)


def test_channels_first_of_a_users_own_layers_is_kept() -> None:
    data = ArrayDataset(RNG.random((120, 3, 8, 8)).astype("f4"), np.arange(120) % 2)
    network = keras.Sequential(
        [LotteryConv2D(4, data_format="channels_first"), layers.Flatten(), LotteryLinear(2)]
    )
    assert LotteryModel(network, data, SHORT).initial_weights["conv2d_1/kernel"].shape[2] == 3


@pytest.mark.parametrize("where", ["variable", "file"])
def test_another_backend_is_refused_at_the_import(where: str, tmp_path: Path) -> None:
    environment = {**os.environ, "KERAS_HOME": str(tmp_path)}
    environment.pop("KERAS_BACKEND", None)
    if where == "variable":
        environment["KERAS_BACKEND"] = "numpy"
    (tmp_path / "keras.json").write_text(json.dumps({"backend": "numpy"}))
    done = subprocess.run(
        [sys.executable, "-c", "from lth import LotteryModel"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "but lth trains with TensorFlow" in done.stderr.splitlines()[-1]
