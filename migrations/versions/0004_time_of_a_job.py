"""`jobs.max_seconds` limits the job, no longer each of its runs.

Revision: 0004, after 0003.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the step. The runs of jobs that are there keep the bound that they were given."""
    op.add_column(
        "jobs", sa.Column("seconds_before_retry", sa.Float(), server_default="0", nullable=False)
    )
    op.execute("UPDATE jobs SET max_seconds = NULL WHERE max_seconds IS NOT NULL")


def downgrade() -> None:
    """Take the step back."""
    op.drop_column("jobs", "seconds_before_retry")
