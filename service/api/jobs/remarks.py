"""What a plan says besides its numbers: circumstances that are no error, but may be a mistake."""

from collections.abc import Iterator

from sqlalchemy.orm import Session

from lth.datasets import Dataset, file_of
from lth.networks.channels import misread_channels
from lth.spec.document import Spec
from service.store.workers import workers


def remarks(session: Session, spec: Spec, pool: str) -> Iterator[str]:
    """Remarks about a spec that would run in a pool, each of one sentence."""
    facts = spec.dataset.facts
    layers = (layer.keras_config() for layer in spec.network.expand(facts.shape, facts.classes))
    if remark := misread_channels(layers, facts.shape):
        yield remark
    if remark := _missing(session, spec.dataset, pool):
        yield remark


def _missing(session: Session, dataset: Dataset, pool: str) -> str | None:
    """The remark if no worker of the pool has the file of the data set."""
    name = file_of(dataset)
    if name is None:
        return None
    reported = [names for pools, names in workers.with_datasets(session) if pool in pools]
    if not reported or any(name in each for each in reported):
        return None
    return (
        f"no worker of the pool '{pool}' has the data set '{name}': a worker will try to download "
        f"it, and the run fails if it cannot; an operator can put {name}.npz into the folder that "
        "LTH_DATASETS_DIR names"
    )
