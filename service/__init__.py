"""Everything a client talks to: HTTP API, store, client, command line, and the local stack."""
