"""The speed of recent runs, for estimates."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Double, case, literal_column, select
from sqlalchemy.orm import Session

from lth.spec.plan import RunKind
from service.store.states import RunState
from service.store.tables import Job, Result, Run

_RECENT = 300
_LEVELS: ColumnElement[float] = literal_column(
    """(
        SELECT sum((level ->> 'seconds')::double precision)
        FROM jsonb_array_elements(results.document -> 'levels') level
        WHERE NOT (
            (level ->> 'level')::integer = 0
            AND (results.document ->> 'trunk_reused')::boolean
        )
    )""",
    Double,
)
"""Seconds of the levels that a run has trained by itself."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The speed of a succeeded run.

    Attributes:
        spec: the spec of its job, as stored.
        samples_per_second: of its last level, with evaluations.
        other_seconds: device seconds without the training of levels: start, compilation, pruning,
            files; None if it took several attempts.
    """

    spec: dict[str, Any]
    samples_per_second: float
    other_seconds: float | None = None


def recent(session: Session, pool: str) -> list[Measured]:
    """The speed of the experiments of a pool that finished last, newest first."""
    speed = Result.document["levels"][-1]["samples_per_second"].as_float()
    other = Run.seconds - _LEVELS
    found = session.execute(
        select(Job.spec, speed, case((Run.attempt == 1, other)))
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
    return [Measured(spec, speed, other) for spec, speed, other in found if speed]


def trained(session: Session, trunks: Sequence[str]) -> set[str]:
    """The dense trainings that a run has already done, by `PlannedRun.trunk`.

    A worker also checks the data and the kind of device before it uses one.
    """
    found = session.scalars(
        select(Run.trunk).where(Run.trunk.in_(trunks), Run.state == RunState.SUCCEEDED).distinct()
    )
    return set(found)
