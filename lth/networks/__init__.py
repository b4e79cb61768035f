"""Networks and their layers as data. Add a member to `presets.Network` or `layers.Layer`."""

from lth.networks.layers import Layer, Shape
from lth.networks.presets import Network, PlacedLayer, place

__all__ = ["Layer", "Network", "PlacedLayer", "Shape", "place"]
