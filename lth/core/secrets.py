"""Hides secrets in everything that a process prints or logs.

The secrets of a process are in its environment variables: keys, passwords, and addresses that
contain a password.
"""

import json
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from urllib.parse import unquote

HIDDEN = "[hidden]"
_SHORTEST = 4
"""Shorter values are not secrets, and would hide parts of common words."""
_SECRET = re.compile("key|secret|password|token|credential", re.IGNORECASE)
_VARIABLE = re.compile(r"(LTH|AWS)_\w*(KEY|SECRET|PASSWORD|TOKEN)(?!\w*_FILE)\w*|PGPASSWORD")
_OPTIONS = "LTH_OBJECT_STORE_OPTIONS"
_PASSWORD = re.compile(r"(://[^\s:/@]*:)(?!PASSWORD@)([^\s\"']+)(?=@)")
"""The password of an address, up to the last @, even if it has unescaped characters.

It is not the word PASSWORD of messages that show the form of an address.
"""
_PARAMETER = re.compile(
    r"([?&][\w-]*(?:password|secret|token|signature)=)([^&\s\"']+)", re.IGNORECASE
)


def without_passwords(text: str) -> str:
    """A text with `HIDDEN` in place of all passwords of addresses."""
    text = _PASSWORD.sub(rf"\1{HIDDEN}", text)
    return _PARAMETER.sub(rf"\1{HIDDEN}", text)


def hidden(text: str) -> str:
    """A text, such as a message, with `HIDDEN` in place of all secrets of this process."""
    return hiding(secrets_of(os.environ))(text)


def hiding(secrets: Iterable[str]) -> Callable[[str], str]:
    """A function that hides some secrets, and all passwords of addresses, in a text."""
    forms = {form for secret in secrets for form in _forms(secret) if len(form) >= _SHORTEST}
    longest_first = sorted(forms, key=len, reverse=True)
    pattern = re.compile("|".join(rf"(?<!\w){re.escape(form)}(?!\w)" for form in longest_first))

    def hide(text: str) -> str:
        return without_passwords(pattern.sub(HIDDEN, text) if forms else text)

    return hide


def passwords(address: str) -> set[str]:
    """The secrets in an address, as written and decoded."""
    found = {match[2] for match in _PASSWORD.finditer(address)}
    found |= {match[2] for match in _PARAMETER.finditer(address)}
    return found | {unquote(secret) for secret in found}


def print_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Print the traceback of an exception without secrets; for `sys.excepthook`."""
    sys.stderr.write(hidden("".join(traceback.format_exception(kind, error, trace))))


def secrets_of(environment: Mapping[str, str]) -> Iterator[str]:
    """The secrets in environment variables."""
    for name, value in environment.items():
        if _VARIABLE.fullmatch(name.upper()):
            yield value
        elif name.upper() == _OPTIONS:
            yield from _of_options(value)
        if "://" in value:
            yield from passwords(value)


def _of_options(text: str) -> Iterator[str]:
    try:
        options = json.loads(text)
    except ValueError:
        return
    for name, value in options.items() if isinstance(options, dict) else ():
        if _SECRET.search(name):
            yield str(value)


def _forms(secret: str) -> set[str]:
    """A secret as it may appear: with or without spaces around it, and escaped."""
    bare = secret.strip()
    return {secret, bare, repr(bare)[1:-1], ascii(bare)[1:-1], json.dumps(bare)[1:-1]}
