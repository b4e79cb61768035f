"""The HTTP API: one folder or file a feature, each with its router; `app` puts them together."""
