"""Draws pictures in a process of its own, so that the API stays responsive and small."""
