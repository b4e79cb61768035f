"""Guesses the kind of a spec that names none, so that its other errors can be found too."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from lth.spec.document import SPEC

_KINDS = tuple(SPEC.json_schema()["discriminator"]["mapping"])


def likely_kind(document: Mapping[str, Any]) -> str:
    """The kind of job that a document without a known kind probably describes."""
    close = get_close_matches(str(document.get("kind")), _KINDS, n=1)
    if close:
        return close[0]
    if "trials" in document:
        return "robust"
    return "session" if document.keys() & {"experiments", "grid"} else "model"
