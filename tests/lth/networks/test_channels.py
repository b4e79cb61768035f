"""Images whose channels come first are noticed before layers that take them for the height."""

import pytest

from lth.networks.channels import channels_first, misread_channels


def layer(name: str, **config) -> dict:
    return {"class_name": name, "config": config}


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (4, 8, 20), (3, 480, 640)])
def test_shapes_with_the_channels_first_are_noticed(shape):
    assert f"samples of {list(shape)} look like images" in (channels_first(shape) or "")


@pytest.mark.parametrize(
    "shape", [(28, 28, 1), (32, 32, 3), (8, 8, 64), (784,), (3, 3, 3), (3, 32, 3), (2, 28, 28)]
)
def test_other_shapes_are_not(shape):
    assert channels_first(shape) is None


@pytest.mark.parametrize(
    "found",
    [
        layer("LotteryConv2D"),
        layer("Conv2D", data_format="channels_last"),
        layer("MaxPooling2D", data_format="channels_last"),
        layer("Sequential", layers=[layer("Flatten"), layer("DepthwiseConv2D")]),
        layer("TimeDistributed", layer=layer("Conv2D")),
    ],
)
def test_a_layer_that_takes_the_channels_last_is_found_at_any_depth(found):
    assert misread_channels([layer("Flatten"), found], (3, 32, 32)) == channels_first((3, 32, 32))
    assert misread_channels([found], (32, 32, 3)) is None


@pytest.mark.parametrize(
    "other",
    [
        layer("Conv2D", data_format="channels_first"),
        layer("Flatten", data_format="channels_last"),
        layer("LotteryLinear", kernel_initializer={"class_name": "GlorotNormal", "config": {}}),
    ],
)
def test_layers_that_do_not_care_or_take_the_channels_first_are_left_alone(other):
    assert misread_channels([other], (3, 32, 32)) is None
