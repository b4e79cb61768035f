"""Records blobs that were unused before revision 0009.

Revision: 0010, after 0009.

All blobs are examined once. This takes a minute for some millions, and blocks no writers.
"""

from alembic import op

from service.store.migrate import unlimited_lock_wait

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_NOTE = """
    INSERT INTO blob_doubts (digest, at)
    SELECT digest, touched_at FROM blobs b
    WHERE NOT EXISTS (SELECT FROM artifacts a WHERE a.digest = b.digest)
    AND NOT EXISTS (SELECT FROM runs r WHERE r.checkpoint_digest = b.digest)
    AND NOT EXISTS (SELECT FROM runs r WHERE r.log_digest = b.digest)
    AND NOT EXISTS (SELECT FROM datasets d WHERE d.digest = b.digest)
    AND NOT EXISTS (SELECT FROM trunks t WHERE t.digest = b.digest)
"""


def upgrade() -> None:
    """Apply the step. To note a blob twice does no harm."""
    with op.get_context().autocommit_block(), unlimited_lock_wait(op.get_bind()):
        op.execute(_NOTE)
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_blobs_touched_at")


def downgrade() -> None:
    """Take the step back."""
    op.create_index("ix_blobs_touched_at", "blobs", ["touched_at"])
