"""The inputs of a claimed run: the data set, and files of earlier runs."""

from collections import OrderedDict
from collections.abc import Hashable
from pathlib import Path
from typing import BinaryIO, cast

from lth.core.disk_arrays import TemporaryFile
from lth.core.errors import DatasetMissing
from lth.datasets import Arrays, DatasetContract, Uploaded
from lth.engine.observer import Inputs
from lth.results.artifacts import MASKS
from lth.spec.document import ControlExperiment, Spec, parse_spec
from lth.spec.plan import Assignment, experiment_named, run_key
from service.store.blobs.object_store import BlobDamaged, BlobMissing, Blobs
from service.store.runs import artifacts, trunks
from service.store.runs.claims import Claimed
from worker.child.child import Child

_CACHED, _CACHED_BYTES = 2, 1 << 30


def load(spec: Spec, directory: Path | None, blobs: Blobs) -> Arrays:
    """The data set of a spec; the last small ones stay in memory for the next run."""
    return _load(cast(Hashable, spec.dataset), directory, blobs)


def warm(directory: Path | None, blobs: Blobs) -> None:
    """Load the default data set in advance."""
    load(parse_spec({"kind": "model"}), directory, blobs)


def forget(most_bytes: int) -> bool:
    """Release data sets, the largest first, until at most `most_bytes` are in memory.

    Args:
        most_bytes: bytes that may stay.

    Returns:
        Whether any data set was released.
    """
    before = len(_loaded)
    while sum(arrays.nbytes for arrays in _loaded.values()) > most_bytes:
        del _loaded[max(_loaded, key=lambda key: _loaded[key].nbytes)]
    return len(_loaded) < before


_loaded: OrderedDict[tuple[Hashable, Path | None], Arrays] = OrderedDict()


def _load(dataset: Hashable, directory: Path | None, blobs: Blobs) -> Arrays:
    key = (dataset, directory)
    if key not in _loaded:
        _loaded[key] = _read(dataset, directory, blobs)
        while len(_loaded) > 1 and (
            len(_loaded) > _CACHED
            or sum(arrays.nbytes for arrays in _loaded.values()) > _CACHED_BYTES
        ):
            _loaded.popitem(last=False)
    _loaded.move_to_end(key)
    return _loaded[key]


def _read(dataset: Hashable, directory: Path | None, blobs: Blobs) -> Arrays:
    if isinstance(dataset, Uploaded):
        return _uploaded(dataset, blobs)
    return cast(DatasetContract, dataset).load(directory)


def _uploaded(dataset: Uploaded, blobs: Blobs) -> Arrays:
    try:
        with _fetched(blobs, dataset.digest) as file:
            return dataset.read(file)
    except (BlobMissing, BlobDamaged) as error:
        how = "missing" if isinstance(error, BlobMissing) else "damaged"
        raise DatasetMissing(
            f"the file of the uploaded data set '{dataset.id}' is {how} in the object store; "
            "upload the data set again, and submit the job with its new id"
        ) from error


def trunk_key(child: Child, planned: Assignment, data: Arrays) -> str:
    """The key of this run's trunk."""
    return child.execution.trunk_key(planned.trunk, data.digest, child.execution.device_kind())


def gather(child: Child, spec: Spec, claimed: Claimed, data: Arrays, trunk_key: str) -> Inputs:
    """Read the inputs of a run; a missing or damaged checkpoint or trunk is computed again."""
    with child.database.transaction() as session:
        trunk = trunks.find(session, trunk_key)
        masks = None
        ticket = _ticket_of(spec, claimed.planned)
        if ticket is not None:
            masks = artifacts.get(session, claimed.lease.job_id, f"{ticket}/{MASKS}").digest
    return Inputs(
        data=data,
        trunk=_optional(child, trunk),
        ticket_masks=child.blobs.get(masks) if masks else None,
        checkpoint=_optional(child, claimed.checkpoint_digest),
    )


def _ticket_of(spec: Spec, planned: Assignment) -> str | None:
    """The key of the ticket whose masks this run uses, if it is a control."""
    if planned.experiment is None:
        return None
    experiment = experiment_named(spec, planned.experiment)
    if not isinstance(experiment, ControlExperiment):
        return None
    return run_key(planned.trial, experiment.control.of)


def _optional(child: Child, digest: str | None) -> BinaryIO | None:
    if digest is None:
        return None
    try:
        return _fetched(child.blobs, digest)
    except (BlobMissing, BlobDamaged):
        return None


def _fetched(blobs: Blobs, digest: str) -> BinaryIO:
    """A blob as a temporary file, because it may not fit into memory."""
    file = TemporaryFile()
    for piece in blobs.stream(digest):
        file.write(piece)
    file.seek(0)
    return file
