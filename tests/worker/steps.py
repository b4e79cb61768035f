"""Functions for a child in the process of the test."""

from collections.abc import Callable
from typing import Any, NoReturn

from sqlalchemy import select

from lth.spec.document import parse_spec
from lth.spec.plan import plan
from service.store.accounts.audit import Actor
from service.store.jobs import submitting
from service.store.jobs.submitting import Submission
from service.store.runs import claims
from service.store.runs.claims import Claimed
from service.store.tables import Run, Worker
from worker.child.child import Child
from worker.child.gpus import DriverFailed
from worker.run.observer import RunObserver


def submit(child: Child, kind: str = "model", **document: Any) -> str:
    """Submit a spec, and hint at it to nobody."""
    spec = parse_spec({"kind": kind, **document})
    submission = Submission(Actor("ann"), spec, plan(spec))
    return submitting.submit(child.database, submission, child.settings).job.id


def claim(child: Child) -> Claimed:
    with child.database.transaction() as session:
        claimed = claims.claim(session, child.id, child.pools, child.settings, child.memory)
    assert claimed is not None
    return claimed


def observer_of(child: Child, claimed: Claimed) -> RunObserver:
    return RunObserver(
        claimed.lease, child.settings, child.database, child.blobs, child.draining, 60.0
    )


def runs(child: Child, job_id: str) -> dict[str, Run]:
    with child.database.transaction() as session:
        found = session.scalars(select(Run).where(Run.job_id == job_id).order_by(Run.position))
        return {run.key: run for run in found}


def registered(child: Child) -> Worker | None:
    with child.database.transaction() as session:
        return session.get(Worker, child.id)


def failing_first(errors: list[Exception], do: Callable[..., Any]) -> Callable[..., Any]:
    """Raises these errors, the last of them first, and does then what it stands for."""

    def do_then(*given: Any) -> Any:
        if errors:
            raise errors.pop()
        return do(*given)

    return do_then


def silent_driver() -> NoReturn:
    """For ``LTH_TEST_NVML``: a driver that fails, as after an upgrade without a restart."""
    raise DriverFailed("the driver does not answer")
