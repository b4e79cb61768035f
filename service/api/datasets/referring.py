"""A spec that names an uploaded data set by its id is given what is known of it."""

from collections.abc import Callable
from typing import Any

from lth.core.family import kind_of
from lth.core.field_errors import WrongField
from lth.datasets import Uploaded
from service.store.tables import StoredDataset

FILLED_IN = ("facts", "digest")
"""Fields that a client may not give: the service knows them."""


def uploaded_id(document: Any) -> str | None:
    """The id of the uploaded data set that a spec names, if it names one."""
    named = document.get("dataset") if isinstance(document, dict) else None
    if not isinstance(named, dict) or named.get("kind") != kind_of(Uploaded):
        return None
    given = named.get("id")
    return given if isinstance(given, str) else None


def filled_in(
    document: Any, find: Callable[[str], StoredDataset | None]
) -> tuple[Any, list[WrongField]]:
    """The document with the facts of its data set in it, and what was wrong with its naming it."""
    name = uploaded_id(document)
    if name is None:
        return document, []
    named: dict[str, Any] = document["dataset"]
    wrong = [
        WrongField(f"/dataset/{field}", "there is no such field", named[field])
        for field in FILLED_IN
        if field in named
    ]
    found = find(name)
    if found is None:
        right = "the id of a data set of yours; GET /v1/datasets lists them"
        wrong.append(WrongField("/dataset/id", "there is no such data set", name, right))
        # Whatever else is wrong is told as well, as if the default data set had been named.
        rest = {key: value for key, value in document.items() if key != "dataset"}
        return rest, wrong
    known = {"facts": found.facts, "digest": found.digest}
    return {**document, "dataset": {**named, **known}}, wrong
