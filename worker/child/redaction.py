"""Hides addresses and secrets of the service in texts that clients can read."""

import re
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from service.settings import Settings

_HIDDEN = "[hidden]"
_SHORTEST = 4
"""Shorter settings are not secrets, and would hide parts of common words."""
_COMMON = frozenset(
    {"true", "false", "allow", "disable", "none", "optional", "prefer", "require", "required"}
)
"""Values of options such as ``allow_http`` and ``sslmode``, which are common words in messages."""
_PATTERNS = (
    re.compile(r"\[SQL: .*?(?=\n\[|\n\(Background|\Z)", re.DOTALL),
    re.compile(r"\[parameters: .*?(?=\n\(Background|\Z)", re.DOTALL),
    re.compile(r"(?<=DETAIL: )[^\n]*"),
    re.compile(r"""(?:resolve host|translate host name) ["'][^"'\n]*["']"""),
    re.compile(r"(?:[Rr]eading from|[Ww]riting to) [^\s:]+:\d+"),
    re.compile(r"(?<=unix socket: )\S+"),
    re.compile(r"\b(?:postgresql(?:\+\w+)?|rediss?|s3|file)://\S+"),
    re.compile(r"(?<=connection to server )(?:at|on socket) .*?(?= failed|$)", re.MULTILINE),
    re.compile(r"(?<=connection failed: )[^\n]*"),
    re.compile(r"(?<=onnecting to )\S+(?<!\.)"),
)
"""Messages of libpq, SQLAlchemy and redis-py that contain addresses or statements."""


class Redaction:
    """Replaces the configured addresses and secrets by ``[hidden]``."""

    def __init__(self, settings: Settings) -> None:
        values = sorted(_values(settings), key=len, reverse=True)
        self._values = re.compile("|".join(rf"(?<!\w){re.escape(value)}(?!\w)" for value in values))

    def text(self, said: str) -> str:
        """The text without addresses, secrets, SQL statements and their parameters."""
        for pattern in _PATTERNS:
            said = pattern.sub(_HIDDEN, said)
        return self._values.sub(_HIDDEN, said)

    def bytes(self, content: bytes) -> bytes:
        """A log without addresses, secrets, SQL statements and their parameters."""
        return self.text(content.decode(errors="surrogateescape")).encode(errors="surrogateescape")


def _values(settings: Settings) -> set[str]:
    """The settings that contain an address or a secret, and their parts."""
    found: set[str] = set()
    for url in (settings.database_url, settings.broker_url, settings.object_store_url):
        parts = urlsplit(url)
        query = [pair.partition("=")[2] for pair in parts.query.split("&")]
        address = parts.netloc.rpartition("@")[2]
        found |= {url, address, parts.hostname or "", unquote(parts.password or "")}
        found |= {parts.password or "", *query}
        if parts.scheme in ("file", "s3"):
            found.add(parts.path.rstrip("/"))
    for name, value in settings.object_store_options.items():
        if name != "region":
            found |= {value, urlsplit(value).hostname or ""}
    secrets = (value for _, value in settings if isinstance(value, SecretStr))
    found |= {secret.get_secret_value() for secret in secrets}
    found |= {unquote(value) for value in found}
    return {value for value in found if len(value) >= _SHORTEST and value.lower() not in _COMMON}
