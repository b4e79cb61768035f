"""Processes of a local stack: how they are started, watched and stopped."""
