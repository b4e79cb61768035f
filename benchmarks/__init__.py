"""Measures the speed of the engine and of the service on this machine; see docs/performance.md."""
