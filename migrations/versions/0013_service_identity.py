"""Stores the identity of the service, which is also written to its object store.

Revision: 0013, after 0012.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the step."""
    op.create_table(
        "service_identity",
        sa.Column("one", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.CheckConstraint("one", name=op.f("ck_service_identity_one")),
        sa.PrimaryKeyConstraint("one", name=op.f("pk_service_identity")),
    )


def downgrade() -> None:
    """Take the step back."""
    op.drop_table("service_identity")
