"""Stores the memory that a run needs, and has the claim read it from its index.

Revision: 0016, after 0015.

Existing runs have no estimate. They fit every worker.
"""

import sqlalchemy as sa
from alembic import op

from service.store.migrate import unlimited_lock_wait

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_QUEUED = sa.text("state = 'queued'")
_ORDER = ["pool", "owner", "rank", "position", "id"]


def upgrade() -> None:
    """Apply the step. If it fails half-way, it can be repeated."""
    op.execute("ALTER TABLE runs ADD COLUMN IF NOT EXISTS memory bigint")
    op.execute("ALTER TABLE runs ADD COLUMN IF NOT EXISTS killed_with_memory bigint")
    with op.get_context().autocommit_block(), unlimited_lock_wait(op.get_bind()):
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_runs_claim_memory")
        op.create_index(
            "ix_runs_claim_memory",
            "runs",
            [*_ORDER, sa.text("coalesce(memory, 0)")],
            postgresql_where=_QUEUED,
            postgresql_concurrently=True,
        )
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_runs_claim")


def downgrade() -> None:
    """Take the step back."""
    op.create_index("ix_runs_claim", "runs", _ORDER, postgresql_where=_QUEUED)
    op.drop_index("ix_runs_claim_memory", "runs")
    op.drop_column("runs", "killed_with_memory")
    op.drop_column("runs", "memory")
