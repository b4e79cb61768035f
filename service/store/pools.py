"""The pools that runs are of: few among millions of runs, and found without reading those."""

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from service.store.tables import Run


def with_work(session: Session) -> list[str]:
    """The pools in which a run is queued, by name."""
    return _of(session, Run.state == "queued")


def with_ends(session: Session) -> list[str]:
    """The pools in which a run has ended, by name."""
    return _of(session, Run.finished_at.is_not(None))


def _of(session: Session, condition: ColumnElement[bool]) -> list[str]:
    """The pools of such runs, found by hopping along an index of them, which begins with it."""
    pools: list[str] = []
    while True:
        query = select(Run.pool).where(condition).order_by(Run.pool).limit(1)
        pool = session.scalar(query.where(Run.pool > pools[-1]) if pools else query)
        if pool is None:
            return pools
        pools.append(pool)
