"""The papers' networks have the numbers of weights that the papers give."""

from math import prod

import pytest
from pydantic import TypeAdapter

from lth.networks import Network, place

ADAPTER = TypeAdapter(Network)
MNIST, CIFAR = (28, 28, 1), (32, 32, 3)


def placed(network, shape):
    return place(ADAPTER.validate_python(network), shape, 10)


@pytest.mark.parametrize(
    ("network", "shape", "weights"),
    [
        ("lenet-300-100", MNIST, 266_200),
        ("conv-2", CIFAR, 4_300_992),
        ("conv-4", CIFAR, 2_425_024),
        ("conv-6", CIFAR, 2_261_184),
    ],
)
def test_presets_have_the_numbers_of_kernel_weights_of_the_papers(network, shape, weights):
    layers = placed(network, shape)
    assert sum(prod(layer.kernel_shape) for layer in layers if layer.kernel_shape) == weights


def test_parameters_include_biases():
    assert sum(layer.parameters for layer in placed("lenet-300-100", MNIST)) == 266_200 + 410


def test_the_layers_of_lenet():
    kernels = [layer.kernel_shape for layer in placed("lenet-300-100", MNIST)]
    assert kernels == [None, (784, 300), (300, 100), (100, 10)]


def test_the_layers_of_conv_2():
    kernels = [layer.kernel_shape for layer in placed("conv-2", CIFAR) if layer.kernel_shape]
    assert kernels == [
        (3, 3, 3, 64),
        (3, 3, 64, 64),
        (16 * 16 * 64, 256),
        (256, 256),
        (256, 10),
    ]


def test_flat_data_need_no_flatten_layer():
    assert len(placed("lenet-300-100", (64,))) == 3


def test_the_output_layer_has_one_unit_for_each_class():
    network = ADAPTER.validate_python("conv-6")
    assert place(network, CIFAR, 100)[-1].kernel_shape == (256, 100)


def test_the_error_for_a_network_that_does_not_fit_names_the_layer():
    with pytest.raises(
        ValueError, match=r"layer 0: 'conv2d' takes images .* but \[64\] reaches it"
    ):
        placed("conv-2", (64,))
    pooling = {"kind": "max_pooling2d", "size": 9}
    layers = [pooling, {"kind": "flatten"}, {"kind": "linear", "units": 10}]
    small = {"kind": "layers", "layers": layers}
    with pytest.raises(
        ValueError, match="layer 0: 'max_pooling2d' with a window of 9 does not fit"
    ):
        placed(small, (8, 8, 1))
