"""Celery's processes around claimed runs: what executes them, keeps their leases, and sweeps up."""
