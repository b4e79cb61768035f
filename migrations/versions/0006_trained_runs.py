"""Adds an index of finished dense trainings, for the estimate of a plan.

Revision: 0006, after 0005.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the step."""
    op.create_index(
        "ix_runs_trained", "runs", ["trunk"], postgresql_where=sa.text("state = 'succeeded'")
    )


def downgrade() -> None:
    """Take the step back."""
    op.drop_index("ix_runs_trained", "runs")
