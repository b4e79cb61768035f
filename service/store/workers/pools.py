"""The pools of workers: which ones exist, which have work, and which have a worker to wake.

Runs are counted in millions and pools in dozens, but a database may also hold runs of thousands of
pools. Every function here sends one statement, whatever the number of pools.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.store.tables import ServedPool, Worker

MOST_REMEMBERED = 1_000
"""Pools that are remembered after their workers have gone; the ones served last are kept."""

_TO_WAKE = text(
    """
    SELECT served.pool, 1 + count(*) FILTER (WHERE w.state = 'idle')
    FROM workers w, unnest(w.pools) AS served (pool)
    WHERE w.state NOT IN ('draining', 'lost')
    GROUP BY served.pool
    HAVING (SELECT true FROM runs r WHERE r.state = 'queued' AND r.pool = served.pool LIMIT 1)
    ORDER BY served.pool
    """
)
"""One index lookup for each pool that has a worker. Pools without a worker cost nothing."""

_WITH_ENDS = text(
    """
    WITH RECURSIVE hop AS (
        (SELECT pool FROM runs WHERE finished_at IS NOT NULL ORDER BY pool LIMIT 1)
        UNION ALL
        SELECT (
            SELECT r.pool FROM runs r
            WHERE r.finished_at IS NOT NULL AND r.pool > hop.pool
            ORDER BY r.pool LIMIT 1
        )
        FROM hop WHERE hop.pool IS NOT NULL
    )
    SELECT pool FROM hop WHERE pool IS NOT NULL
    """
)
"""Hops from pool to pool along the index, which begins with the pool."""


def to_wake(session: Session) -> dict[str, int]:
    """The pools that have a queued run and a worker, and how many hints each should get.

    A pool gets one hint for each idle worker, and one more, because a worker that is recorded as
    busy may have become idle while the database was unavailable.
    """
    return {pool: count for pool, count in session.execute(_TO_WAKE)}  # noqa: C416


def with_ends(session: Session) -> Sequence[str]:
    """The pools in which a run has ended, by name."""
    return session.scalars(_WITH_ENDS).all()


def served(session: Session) -> Sequence[str]:
    """The pools that a worker has served, by name."""
    return session.scalars(select(ServedPool.name).order_by(ServedPool.name)).all()


def remember(session: Session, names: Iterable[str]) -> None:
    """Remember that a worker serves these pools."""
    rows = [{"name": name} for name in sorted(set(names))]
    if rows:
        # Existing rows are not locked, so no worker waits for another one.
        session.execute(insert(ServedPool).values(rows).on_conflict_do_nothing())


def forget(session: Session, age: timedelta) -> int:
    """Forget the pools that no worker has served for `age`, and those beyond `MOST_REMEMBERED`.

    Returns:
        How many pools were forgotten.
    """
    now_served = select(func.unnest(Worker.pools).label("name")).distinct().subquery()
    seen = insert(ServedPool).from_select(["name"], select(now_served.c.name))
    session.execute(
        seen.on_conflict_do_update(index_elements=["name"], set_={"served_at": func.now()})
    )
    kept = select(ServedPool.name).order_by(ServedPool.served_at.desc()).limit(MOST_REMEMBERED)
    old = delete(ServedPool).where(
        (ServedPool.served_at < func.now() - age) | ServedPool.name.not_in(kept)
    )
    return len(session.scalars(old.returning(ServedPool.name)).all())
