"""The secrets that sign webhooks: one for each owner, derived from the secret of the service.

A receiver must know the secret to verify calls. With a secret of its own, an owner cannot forge
calls to another owner's receivers.
"""

import base64
import hashlib
import hmac

from service.settings import Settings


def secret_of(settings: Settings, owner: str) -> bytes | None:
    """The secret of an owner's webhooks; None if LTH_SIGNING_SECRET is not set."""
    if not settings.signing_secret:
        return None
    known = settings.signing_secret.get_secret_value().encode()
    return hmac.digest(known, f"webhooks of {owner}".encode(), hashlib.sha256)


def written(secret: bytes) -> str:
    """A secret in the format of the Standard Webhooks libraries."""
    return f"whsec_{base64.b64encode(secret).decode()}"
