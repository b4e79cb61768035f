"""Remembers the pools that workers have served, because jobs may name only existing pools.

Revision: 0012, after 0011.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_SERVED = """
    INSERT INTO pools (name)
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
    SELECT pool FROM hop
    WHERE pool IS NOT NULL AND (
        SELECT true FROM runs r
        WHERE r.pool = hop.pool AND r.finished_at IS NOT NULL AND r.state = 'succeeded'
        LIMIT 1
    )
    UNION
    SELECT unnest(pools) FROM workers
"""
"""A run that succeeded was executed by a worker of its pool."""


def upgrade() -> None:
    """Apply the step. It only reads the tables that others write."""
    op.create_table(
        "pools",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column(
            "served_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.PrimaryKeyConstraint("name", name="pk_pools"),
    )
    op.execute(_SERVED)


def downgrade() -> None:
    """Take the step back."""
    op.drop_table("pools")
