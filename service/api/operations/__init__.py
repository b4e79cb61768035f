"""Endpoints for health, workers, pools, metrics and webhook secrets."""
