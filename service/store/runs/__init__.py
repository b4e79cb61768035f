"""Runs: claims, leases, the end of an attempt, trunks, and artifacts."""
