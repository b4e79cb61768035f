"""Blobs: the object store, safe writes and deletion, damage, and uploaded data sets."""
