"""Counts the stored bytes of each owner with triggers.

Revision: 0003, after 0002.

Triggers count, because cascades delete rows that no statement of the store names. The row of an
owner is locked after the rows of runs, and before the row of an unfinished job. A finished job is
deleted before the row of its owner is locked.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_FUNCTIONS = {
    # The bytes of a job's runs besides its artifacts.
    "stored_by_job(job text) RETURNS bigint STABLE LANGUAGE sql": """
        SELECT coalesce((SELECT sum(size) FROM artifacts WHERE job_id = job), 0)::bigint
            + coalesce((
                SELECT sum(b.size) FROM runs r
                JOIN blobs b ON b.digest IN (r.checkpoint_digest, r.log_digest)
                WHERE r.job_id = job
            ), 0)::bigint
    """,
    "count_new_artifacts() RETURNS trigger LANGUAGE plpgsql": """
        BEGIN
            UPDATE owners SET stored_bytes = stored_bytes + fresh.size
            FROM (
                SELECT j.owner, sum(a.size) AS size
                FROM added a JOIN jobs j ON j.id = a.job_id GROUP BY j.owner
            ) fresh
            WHERE name = fresh.owner;
            RETURN NULL;
        END
    """,
    "count_files_of_run() RETURNS trigger LANGUAGE plpgsql": """
        BEGIN
            UPDATE owners SET stored_bytes = stored_bytes
                + coalesce((SELECT size FROM blobs WHERE digest = NEW.checkpoint_digest), 0)
                + coalesce((SELECT size FROM blobs WHERE digest = NEW.log_digest), 0)
                - coalesce((SELECT size FROM blobs WHERE digest = OLD.checkpoint_digest), 0)
                - coalesce((SELECT size FROM blobs WHERE digest = OLD.log_digest), 0)
            WHERE name = NEW.owner;
            RETURN NULL;
        END
    """,
    "count_deleted_job() RETURNS trigger LANGUAGE plpgsql": """
        BEGIN
            UPDATE owners SET stored_bytes = stored_bytes - stored_by_job(OLD.id)
            WHERE name = OLD.owner;
            RETURN OLD;
        END
    """,
    "count_dataset() RETURNS trigger LANGUAGE plpgsql": """
        BEGIN
            IF TG_OP = 'INSERT' THEN
                UPDATE owners SET stored_bytes = stored_bytes + NEW.size WHERE name = NEW.owner;
            ELSE
                UPDATE owners SET stored_bytes = stored_bytes - OLD.size WHERE name = OLD.owner;
            END IF;
            RETURN NULL;
        END
    """,
}
_TRIGGERS = {
    "new_artifacts ON artifacts": """
        AFTER INSERT ON artifacts REFERENCING NEW TABLE AS added
        FOR EACH STATEMENT EXECUTE FUNCTION count_new_artifacts()
    """,
    "files_of_run ON runs": """
        AFTER UPDATE OF checkpoint_digest, log_digest ON runs FOR EACH ROW
        WHEN (
            OLD.checkpoint_digest IS DISTINCT FROM NEW.checkpoint_digest
            OR OLD.log_digest IS DISTINCT FROM NEW.log_digest
        )
        EXECUTE FUNCTION count_files_of_run()
    """,
    "deleted_job ON jobs": """
        BEFORE DELETE ON jobs FOR EACH ROW EXECUTE FUNCTION count_deleted_job()
    """,
    "dataset ON datasets": """
        AFTER INSERT OR DELETE ON datasets FOR EACH ROW EXECUTE FUNCTION count_dataset()
    """,
}
_COUNTED = """
    UPDATE owners SET stored_bytes =
        coalesce((SELECT sum(size) FROM datasets WHERE owner = owners.name), 0)
        + coalesce((
            SELECT sum(a.size) FROM artifacts a JOIN jobs j ON j.id = a.job_id
            WHERE j.owner = owners.name
        ), 0)
        + coalesce((
            SELECT sum(b.size) FROM runs r
            JOIN blobs b ON b.digest IN (r.checkpoint_digest, r.log_digest)
            WHERE r.owner = owners.name
        ), 0)
"""


def upgrade() -> None:
    """Apply the step."""
    op.add_column(
        "owners", sa.Column("stored_bytes", sa.BigInteger(), server_default="0", nullable=False)
    )
    op.execute(_COUNTED)
    for head, body in _FUNCTIONS.items():
        op.execute(f"CREATE FUNCTION {head} AS $${body}$$")
    for head, body in _TRIGGERS.items():
        op.execute(f"CREATE TRIGGER count_{head.partition(' ')[0]} {body}")


def downgrade() -> None:
    """Take the step back."""
    for head in _TRIGGERS:
        op.execute(f"DROP TRIGGER count_{head}")
    for head in reversed(_FUNCTIONS):
        op.execute(f"DROP FUNCTION {head.partition(' RETURNS')[0]}")
    op.drop_column("owners", "stored_bytes")
