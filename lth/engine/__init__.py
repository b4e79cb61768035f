"""The engine: trains a network in a few compiled calls per level."""

from lth.core.keras_backend import check_backend

check_backend()
