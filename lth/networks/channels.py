"""Images whose channels come first, before layers that expect them last."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lth.networks.layers import Shape

_USUAL = (1, 3, 4)
"""Usual numbers of channels: gray, color, and color with transparency."""
_SPATIAL = re.compile("Conv|Pool")
_LAST = "channels_last"


def channels_first(shape: Shape) -> str | None:
    """A remark if samples of this shape look like images [channels, height, width]."""
    if len(shape) != 3 or shape[0] not in _USUAL or min(shape[1:]) <= max(_USUAL):
        return None
    return (
        f"samples of {list(shape)} look like images whose channels come first, but layers take "
        "[height, width, channels]; if they are, give numpy.moveaxis(x, 1, -1)"
    )


def misread_channels(layers: Iterable[Mapping[str, Any]], shape: Shape) -> str | None:
    """The remark, if a layer would take the first axis of such images for the height.

    Args:
        layers: the configurations of the layers, as Keras serializes them.
        shape: shape of a sample.
    """
    remark = channels_first(shape)
    return remark if remark and any(map(_takes_channels_last, _nested(list(layers)))) else None


def _takes_channels_last(layer: Mapping[str, Any]) -> bool:
    spatial = _SPATIAL.search(str(layer["class_name"])) is not None
    return spatial and layer["config"].get("data_format", _LAST) == _LAST


def _nested(value: Any) -> Iterator[Mapping[str, Any]]:
    """All configurations of layers in a configuration."""
    if isinstance(value, Mapping):
        if "class_name" in value and isinstance(value.get("config"), Mapping):
            yield value
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            yield from _nested(each)
