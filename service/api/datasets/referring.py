"""Fills in the facts of an uploaded data set that a spec names by its id."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from lth.core.errors import SpecError
from lth.core.family import kind_of
from lth.core.field_errors import WrongField
from lth.datasets import Uploaded
from lth.datasets.rules import Checked, check_normalisation
from service.api.datasets.contents import restored
from service.store.tables import StoredDataset

FILLED_IN = ("facts", "digest")
"""Fields that a client may not set, because the service fills them in."""


def uploaded_id(document: Any) -> str | None:
    """The id of the uploaded data set in a spec, if any."""
    named = document.get("dataset") if isinstance(document, dict) else None
    if not isinstance(named, dict) or named.get("kind") != kind_of(Uploaded):
        return None
    given = named.get("id")
    return given if isinstance(given, str) else None


def filled_in(
    document: Any, find: Callable[[str], StoredDataset | None]
) -> tuple[Any, list[WrongField]]:
    """The document with the facts of its data set, and the errors of the reference."""
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
        right = "the id of a data set of yours or your team's; GET /v1/datasets lists them"
        wrong.append(WrongField("/dataset/id", "there is no such data set", name, right))
        # Other wrong fields are reported too, as if the default data set were named.
        rest = {key: value for key, value in document.items() if key != "dataset"}
        return rest, wrong
    checked = restored(found.facts)
    wrong += _contradictions(named, checked)
    filled = {**named, "facts": asdict(checked.facts), "digest": found.digest}
    if checked.held_out:
        filled["validation"] = checked.held_out
    return {**document, "dataset": filled}, wrong


def _contradictions(named: dict[str, Any], checked: Checked) -> Iterator[WrongField]:
    """The fields of a reference that contradict the file."""
    validation = named.get("validation", 0)
    if checked.held_out and validation not in (0, checked.held_out):
        message = f"the file has {checked.held_out} validation samples of its own"
        yield WrongField("/dataset/validation", message, validation, "leave the field out")
    chosen = named.get("normalisation", Uploaded.model_fields["normalisation"].default)
    try:
        check_normalisation(chosen, checked.float_range)
    except SpecError as error:
        yield WrongField("/dataset/normalisation", str(error), chosen, "'standard' or 'none'")
