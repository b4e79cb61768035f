"""The signature of webhooks, as Standard Webhooks specifies it.

Reference: https://github.com/standard-webhooks/standard-webhooks, version 1.0.0.
"""

import base64
import hashlib
import hmac
import time


def signed(secret: bytes, name: str, content: bytes, now: int | None = None) -> dict[str, str]:
    """The headers with which a receiver verifies the origin and the age of a call.

    Args:
        secret: the secret that sender and receiver share.
        name: the id of the message.
        content: the body of the call.
        now: the time of the call in seconds since 1970; None for the present.
    """
    timestamp = str(int(time.time()) if now is None else now)
    said = b".".join((name.encode(), timestamp.encode(), content))
    digest = hmac.digest(secret, said, hashlib.sha256)
    return {
        "webhook-id": name,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def secret_bytes(written: str) -> bytes:
    """The bytes of a secret as the service shows it, ``whsec_`` and base64.

    Raises:
        ValueError: if it is not such a secret.
    """
    prefix, _, encoded = written.partition("_")
    if prefix != "whsec":
        raise ValueError("a webhook secret begins with whsec_")
    return base64.b64decode(encoded, validate=True)
