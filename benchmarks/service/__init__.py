"""Measures the speed of the whole service on this machine: `make bench-service`."""
