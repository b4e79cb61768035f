"""Marks results of runs that have not ended, and counts files that are replaced or removed.

Revision: 0017, after 0016.

While a run goes on, each level replaces its result and its masks. Until now, files were only added,
or removed together with their job, which `count_deleted_job` counts.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_FUNCTIONS = {
    "count_replaced_artifacts()": """
        BEGIN
            UPDATE owners SET stored_bytes = stored_bytes + changed.size
            FROM (
                SELECT j.owner, sum(a.size - b.size) AS size
                FROM after a
                JOIN before b ON b.job_id = a.job_id AND b.name = a.name
                JOIN jobs j ON j.id = a.job_id
                GROUP BY j.owner
                HAVING sum(a.size - b.size) <> 0
            ) changed
            WHERE name = changed.owner;
            RETURN NULL;
        END
    """,
    # The job of a removed file exists, unless the file was removed together with it.
    "count_removed_artifacts()": """
        BEGIN
            UPDATE owners SET stored_bytes = stored_bytes - gone.size
            FROM (
                SELECT j.owner, sum(a.size) AS size
                FROM before a JOIN jobs j ON j.id = a.job_id GROUP BY j.owner
            ) gone
            WHERE name = gone.owner;
            RETURN NULL;
        END
    """,
}
_TRIGGERS = {
    "replaced_artifacts ON artifacts": """
        AFTER UPDATE ON artifacts REFERENCING OLD TABLE AS before NEW TABLE AS after
        FOR EACH STATEMENT EXECUTE FUNCTION count_replaced_artifacts()
    """,
    "removed_artifacts ON artifacts": """
        AFTER DELETE ON artifacts REFERENCING OLD TABLE AS before
        FOR EACH STATEMENT EXECUTE FUNCTION count_removed_artifacts()
    """,
    "doubt_replaced_blob ON artifacts": """
        AFTER UPDATE OF digest ON artifacts FOR EACH ROW
        WHEN (OLD.digest IS DISTINCT FROM NEW.digest)
        EXECUTE FUNCTION doubt_blob()
    """,
}


def upgrade() -> None:
    """Apply the step."""
    op.add_column(
        "results", sa.Column("partial", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    for head, body in _FUNCTIONS.items():
        op.execute(f"CREATE FUNCTION {head} RETURNS trigger LANGUAGE plpgsql AS $${body}$$")
    for head, body in _TRIGGERS.items():
        op.execute(f"CREATE TRIGGER {head.partition(' ')[0]} {body}")


def downgrade() -> None:
    """Take the step back. Partial results and their files are deleted."""
    for head in _TRIGGERS:
        op.execute(f"DROP TRIGGER {head}")
    for head in _FUNCTIONS:
        op.execute(f"DROP FUNCTION {head}")
    op.execute("DELETE FROM artifacts WHERE run_id IN (SELECT run_id FROM results WHERE partial)")
    op.execute("DELETE FROM results WHERE partial")
    op.drop_column("results", "partial")
