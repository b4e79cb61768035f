"""The source of both clients: `tools/generate_client.py` makes `lth.client._sync` from it."""
