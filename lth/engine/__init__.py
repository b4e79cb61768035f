"""The engine: trains a network in a few compiled calls per level."""
