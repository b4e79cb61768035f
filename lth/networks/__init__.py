"""Networks and their layers as data. To add one, extend `presets.Network` or `layers.Layer`."""

from lth.networks.layers import Layer, Shape
from lth.networks.presets import Network, PlacedLayer, place

__all__ = ["Layer", "Network", "PlacedLayer", "Shape", "place"]
