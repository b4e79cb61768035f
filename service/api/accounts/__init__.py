"""Endpoints for API keys, owners and the audit log, and the check of every request's key."""
