"""Lets the API of a local stack prove its identity to a client of the same user.

The client sends a challenge without its key. The API answers with a code that requires the secret
of the stack. So the client never sends its key to another program on the port of a crashed stack.
"""

import hashlib
import hmac
import secrets


def new_challenge() -> str:
    """A random challenge."""
    return secrets.token_urlsafe(24)


def proof(secret: str, challenge: str) -> str:
    """The code for a challenge."""
    return hmac.new(secret.encode(), challenge.encode(), hashlib.sha256).hexdigest()


def proves(secret: str, challenge: str, answer: object) -> bool:
    """Whether the JSON answer of ``/healthz`` holds the answer to a challenge."""
    said = answer.get("proof") if isinstance(answer, dict) else None
    if not isinstance(said, str):
        return False
    return hmac.compare_digest(said.encode(), proof(secret, challenge).encode())
