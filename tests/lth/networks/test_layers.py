"""The shapes and weights of layers that are not built."""

import pytest
from pydantic import TypeAdapter

from lth.networks.layers import Layer

IMAGE = (9, 9, 3)


def layer(kind, **parameters):
    return TypeAdapter(Layer).validate_python({"kind": kind, **parameters})


@pytest.mark.parametrize(
    ("made", "shape", "after", "kernel", "others"),
    [
        (layer("linear", units=5), (7,), (5,), (7, 5), 5),
        (layer("conv2d", filters=4), IMAGE, (9, 9, 4), (3, 3, 3, 4), 4),
        (layer("conv2d", filters=4, padding="valid"), IMAGE, (7, 7, 4), (3, 3, 3, 4), 4),
        (layer("conv2d", filters=4, strides=2), IMAGE, (5, 5, 4), (3, 3, 3, 4), 4),
        (
            layer("conv2d", filters=4, kernel_size=2, strides=2, padding="valid"),
            IMAGE,
            (4, 4, 4),
            (2, 2, 3, 4),
            4,
        ),
        (layer("flatten"), IMAGE, (243,), None, 0),
        (layer("dropout", rate=0.5), IMAGE, IMAGE, None, 0),
        (layer("batch_normalization"), IMAGE, IMAGE, None, 12),
        (layer("max_pooling2d"), IMAGE, (4, 4, 3), None, 0),
        (layer("max_pooling2d", padding="same"), IMAGE, (5, 5, 3), None, 0),
        (layer("max_pooling2d", size=3, strides=1), IMAGE, (7, 7, 3), None, 0),
        (layer("average_pooling2d", size=3), IMAGE, (3, 3, 3), None, 0),
        (layer("global_average_pooling2d"), IMAGE, (3,), None, 0),
        (layer("activation", function="relu"), IMAGE, IMAGE, None, 0),
    ],
    ids=lambda value: value.kind if hasattr(value, "kind") else None,
)
def test_a_layer_knows_its_shapes_and_weights(made, shape, after, kernel, others):
    assert made.output_shape(shape) == after
    assert made.kernel_shape(shape) == kernel
    assert made.other_parameters(shape) == others


@pytest.mark.parametrize(
    ("made", "shape", "complaint"),
    [
        (layer("linear", units=5), IMAGE, "takes a flat sample, but .* put a 'flatten' layer"),
        (layer("conv2d", filters=4), (7,), r"takes images .* but \[7\]"),
        (layer("max_pooling2d"), (7,), "takes images"),
        (layer("global_average_pooling2d"), (7,), "takes images"),
        (
            layer("conv2d", filters=4, kernel_size=10, padding="valid"),
            IMAGE,
            "window of 10 does not fit into 9 pixels",
        ),
    ],
)
def test_a_layer_refuses_an_input_of_the_wrong_shape(made, shape, complaint):
    with pytest.raises(ValueError, match=complaint):
        made.output_shape(shape)
