"""The data sets that a spec names by their kind, and where they are available."""

from typing import Literal

from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from sqlalchemy.orm import Session

from lth.core.family import kind_of, members
from lth.datasets import Dataset, file_of
from service.store.workers import workers

_DATASET: TypeAdapter[Dataset] = TypeAdapter(Dataset)


class NamedDataset(BaseModel):
    """A data set that a spec names by its kind."""

    kind: str = Field(examples=["mnist"])
    source: Literal["built-in", "file"] = Field(
        description="built-in: installed with the workers; file: read from a file of the workers"
    )
    description: str
    shape: tuple[int, ...] = Field(description="of one sample")
    classes: int
    train: int = Field(description="training samples, those for validation among them")
    test: int = Field(description="test samples")
    available: bool | None = Field(
        description="whether a worker has it; if none has, a worker will try to download it; null: "
        "no worker has reported its files"
    )
    pools: list[str] = Field(description="the pools of the workers that report its file")


def named_datasets(session: Session) -> list[NamedDataset]:
    """All data sets that need nothing but their kind, in the order of their family."""
    reported = workers.with_datasets(session)
    return [_view(dataset, reported) for dataset in _known()]


def _known() -> list[Dataset]:
    known: list[Dataset] = []
    for member in members(Dataset):
        try:
            known.append(_DATASET.validate_python({"kind": kind_of(member)}))
        except ValidationError:  # It needs more than its kind, such as an id.
            continue
    return known


def _view(dataset: Dataset, reported: workers.Reported) -> NamedDataset:
    name, facts = file_of(dataset), dataset.facts
    pools = sorted({pool for pools, names in reported if name in names for pool in pools})
    available = True if name is None else bool(pools) if reported else None
    return NamedDataset(
        kind=dataset.kind,
        source="built-in" if name is None else "file",
        description=(type(dataset).__doc__ or "").partition("\n")[0],
        shape=facts.shape,
        classes=facts.classes,
        train=facts.train,
        test=facts.test,
        available=available,
        pools=pools,
    )
