"""The engine: a network, its optimizer and its data as a few compiled calls a level."""
