"""The speed of recent runs, for estimates."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from lth.spec.plan import RunKind
from service.store.states import RunState
from service.store.tables import Job, Result, Run

_RECENT = 300


@dataclass(frozen=True, slots=True)
class Measured:
    """The last level of a succeeded run.

    Attributes:
        spec: the spec of its job, as stored.
    """

    spec: dict[str, Any]
    samples_per_second: float


def recent(session: Session, pool: str) -> list[Measured]:
    """The speed of the experiments of a pool that finished last, newest first."""
    speed = Result.document["levels"][-1]["samples_per_second"].as_float()
    found = session.execute(
        select(Job.spec, speed)
        .join(Run, Run.job_id == Job.id)
        .join(Result, Result.run_id == Run.id)
        .where(
            Run.finished_at.is_not(None),
            Run.kind == RunKind.EXPERIMENT,
            Run.pool == pool,
            ~Result.partial,
        )
        .order_by(Run.finished_at.desc())
        .limit(_RECENT)
    )
    return [Measured(spec, speed) for spec, speed in found if speed]


def trained(session: Session, trunks: Sequence[str]) -> set[str]:
    """The dense trainings that a run has already done, by `PlannedRun.trunk`.

    A worker also checks the data and the kind of device before it uses one.
    """
    found = session.scalars(
        select(Run.trunk).where(Run.trunk.in_(trunks), Run.state == RunState.SUCCEEDED).distinct()
    )
    return set(found)
