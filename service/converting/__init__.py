"""Converts uploaded tables and images to npz files, in a process with limits of its own."""
