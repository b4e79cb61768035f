"""The format of API keys."""

import re
import secrets

TOKEN = re.compile(r"(lth_[a-z0-9]{10})_[A-Za-z0-9_-]{24,128}")
"""The prefix, by which a key is looked up, and the secret."""

_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"


def new_token() -> str:
    """A new key with 256 random bits."""
    prefix = "".join(secrets.choice(_ALPHABET) for _ in range(10))
    return f"lth_{prefix}_{secrets.token_urlsafe(32)}"
