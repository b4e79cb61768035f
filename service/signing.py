"""The secrets that webhooks are signed with: one for each owner, derived from the service's own.

Whoever receives calls has to know the secret. So nobody learns one by which calls could be forged
to those who wait for another owner's.
"""

import base64
import hashlib
import hmac

from service.settings import Settings


def secret_of(settings: Settings, owner: str) -> bytes | None:
    """What an owner's webhooks are signed with; None where LTH_SIGNING_SECRET is not set."""
    if not settings.signing_secret:
        return None
    known = settings.signing_secret.get_secret_value().encode()
    return hmac.digest(known, f"webhooks of {owner}".encode(), hashlib.sha256)


def written(secret: bytes) -> str:
    """A secret as libraries for Standard Webhooks take it."""
    return f"whsec_{base64.b64encode(secret).decode()}"
