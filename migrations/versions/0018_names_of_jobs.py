"""Finds jobs by their names.

Revision: 0018, after 0017.
"""

import sqlalchemy as sa
from alembic import op

from service.store.migrate import unlimited_lock_wait

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the step. If it fails half-way, it can be repeated."""
    with op.get_context().autocommit_block(), unlimited_lock_wait(op.get_bind()):
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_jobs_name_id")
        op.create_index(
            "ix_jobs_name_id",
            "jobs",
            ["name", "id"],
            postgresql_where=sa.text("name <> ''"),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    """Take the step back."""
    op.drop_index("ix_jobs_name_id", "jobs")
