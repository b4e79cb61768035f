"""How the API of a local stack shows a client of the same user that it is that API.

The client sends a challenge without its key. The API answers with a code that only a program with
the stack's secret can compute. So a client never sends its key to a program that has taken the
port of a stack that crashed.
"""

import hashlib
import hmac
import secrets


def new_challenge() -> str:
    """Text that nobody has sent before."""
    return secrets.token_urlsafe(24)


def proof(secret: str, challenge: str) -> str:
    """The answer to a challenge."""
    return hmac.new(secret.encode(), challenge.encode(), hashlib.sha256).hexdigest()


def proves(secret: str, challenge: str, answer: object) -> bool:
    """Whether the JSON answer of ``/healthz`` holds the answer to a challenge."""
    said = answer.get("proof") if isinstance(answer, dict) else None
    if not isinstance(said, str):
        return False
    return hmac.compare_digest(said.encode(), proof(secret, challenge).encode())
