"""Owners with their quotas, API keys, and the audit log."""
