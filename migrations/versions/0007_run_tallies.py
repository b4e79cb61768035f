"""Counts ended runs with a trigger, so that metrics do not read all runs.

Revision: 0007, after 0006.

A trigger counts, because cascades delete runs that no statement of the store names. The trigger
only adds rows, so the end of a run never waits for the end of another run.
`service.store.workers.measurements` sums the rows.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_FUNCTION = """
    CREATE FUNCTION tally_run() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF OLD.state IN ('succeeded', 'failed', 'cancelled') THEN
                INSERT INTO run_tallies (state, failure_reason, number)
                VALUES (OLD.state, OLD.failure_reason, -1);
            END IF;
            IF TG_OP = 'UPDATE' THEN
                INSERT INTO run_tallies (state, failure_reason, number, seconds)
                VALUES (
                    NEW.state, NEW.failure_reason,
                    (NEW.state IN ('succeeded', 'failed', 'cancelled'))::int,
                    greatest(NEW.seconds - OLD.seconds, 0)
                );
            END IF;
            RETURN NULL;
        END
    $$
"""
_TRIGGERS = (
    """
    CREATE TRIGGER tally_changed_run
    AFTER UPDATE OF state, failure_reason, seconds ON runs FOR EACH ROW
    WHEN (
        NEW.seconds > OLD.seconds
        OR (
            OLD.state IN ('succeeded', 'failed', 'cancelled')
            OR NEW.state IN ('succeeded', 'failed', 'cancelled')
        )
        AND (OLD.state, OLD.failure_reason) IS DISTINCT FROM (NEW.state, NEW.failure_reason)
    )
    EXECUTE FUNCTION tally_run()
    """,
    """
    CREATE TRIGGER tally_deleted_run AFTER DELETE ON runs FOR EACH ROW
    WHEN (OLD.state IN ('succeeded', 'failed', 'cancelled'))
    EXECUTE FUNCTION tally_run()
    """,
)


def upgrade() -> None:
    """Apply the step. The next one counts the runs that have ended already."""
    op.create_table(
        "run_tallies",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("failure_reason", sa.String(length=16), nullable=True),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Numeric(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "state IN ('blocked', 'queued', 'running', 'succeeded', 'failed', 'cancelled')",
            name=op.f("ck_run_tallies_runstate"),
        ),
        sa.CheckConstraint(
            "failure_reason IN ('user_error', 'diverged', 'out_of_memory', 'timeout',"
            " 'worker_lost', 'cancelled', 'internal')",
            name=op.f("ck_run_tallies_reason"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run_tallies")),
    )
    op.execute(_FUNCTION)
    for trigger in _TRIGGERS:
        op.execute(trigger)


def downgrade() -> None:
    """Take the step back."""
    op.execute("DROP TRIGGER tally_changed_run ON runs")
    op.execute("DROP TRIGGER tally_deleted_run ON runs")
    op.execute("DROP FUNCTION tally_run()")
    op.drop_table("run_tallies")
