"""What the library alone can say of a spec. It is imported only without a service."""

from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter

from lth.client.errors import BadDocument, Wrong
from lth.client.models import Memory
from lth.spec.catalogue import Catalogue, catalogue
from lth.spec.checking import checked
from lth.spec.document import spec_hash
from lth.spec.memory import estimate_memory
from lth.spec.plan import plan

JOB_FIELDS = frozenset(
    {"priority", "pool", "team", "max_seconds", "max_run_seconds", "reuse", "webhook"}
)
"""The fields of a submission that are not part of the spec."""


def validated(document: dict[str, Any]) -> tuple[int, str, Memory]:
    """The number of runs, the hash and the memory of a spec.

    Raises:
        BadDocument: if the spec is wrong.
    """
    said = {name: value for name, value in document.items() if name not in JOB_FIELDS}
    spec, wrong = checked(said)
    if spec is None:
        fields = [Wrong(each.pointer, each.message, each.value, each.right) for each in wrong]
        raise BadDocument("the spec is wrong", fields)
    estimate = estimate_memory(spec)
    memory = Memory(**asdict(estimate), total=estimate.total, layer=estimate.layer)
    return len(plan(spec)), spec_hash(spec), memory


def catalogue_of_library() -> dict[str, list[dict[str, Any]]]:
    """The catalogue, as the service returns it."""
    adapter: TypeAdapter[Catalogue] = TypeAdapter(Catalogue)
    return adapter.dump_python(catalogue(), mode="json")
