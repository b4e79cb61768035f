"""A database of an older version: jobs in pools that no worker serves."""

from sqlalchemy import text

from service.store.database import Database

_COLUMNS = text("SELECT column_name FROM information_schema.columns WHERE table_name = :table")
_JOB = "'job_' || lpad(to_hex(n), 32, '0')"
_NEW = {
    "jobs": {"id": _JOB, "pool": "'old-' || n"},
    "runs": {"id": "gen_random_uuid()", "job_id": _JOB, "pool": "'old-' || n"},
}


def queue_in_many_pools(database: Database, count: int) -> None:
    """Copy a queued job of one run `count` times, each into a pool of its own: ``old-1``, ..."""
    with database.transaction() as session:
        for table, new in _NEW.items():
            names = list(session.scalars(_COLUMNS, {"table": table}))
            values = ", ".join(new.get(name, f"t.{name}") for name in names)
            session.execute(
                text(
                    f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} "
                    f"FROM (SELECT * FROM {table} LIMIT 1) t, generate_series(1, {count}) n"
                )
            )
    with database.transaction() as session:
        session.execute(text("ANALYZE"))
