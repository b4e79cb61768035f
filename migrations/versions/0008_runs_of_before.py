"""Counts runs that ended before revision 0007, and adds an index of blocked runs.

Revision: 0008, after 0007.

Both take seconds for a million runs, and block no writers. If the migration is interrupted, the
next one starts it again.
"""

import sqlalchemy as sa
from alembic import op

from service.store.migrate import unlimited_lock_wait

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_COUNT = """
    INSERT INTO run_tallies (state, failure_reason, number, seconds)
    SELECT state, failure_reason, sum(number), sum(seconds)
    FROM (
        SELECT state, failure_reason,
            count(*) FILTER (WHERE state IN ('succeeded', 'failed', 'cancelled')) AS number,
            sum(seconds)::numeric AS seconds
        FROM runs GROUP BY state, failure_reason
        UNION ALL
        SELECT state, failure_reason, -number, -seconds FROM run_tallies
    ) missing
    GROUP BY state, failure_reason
"""
"""What one moment's runs come to, less what the triggers have told of them by then."""


def upgrade() -> None:
    """Apply the step."""
    with op.get_context().autocommit_block(), unlimited_lock_wait(op.get_bind()):
        op.execute(_COUNT)
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_runs_blocked")
        op.create_index(
            "ix_runs_blocked",
            "runs",
            ["pool"],
            postgresql_where=sa.text("state = 'blocked'"),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    """Take the step back."""
    op.drop_index("ix_runs_blocked", "runs")
