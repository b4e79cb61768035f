"""Counts the decoded arrays of existing data sets.

Revision: 0015, after 0014.

The type of their values is unknown, so each value counts as one byte. Each row is changed in its
own transaction, so uploads and deletions never wait for the rows of other data sets.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_OF_BEFORE = sa.text("SELECT id FROM datasets WHERE decoded_size = 0")
_COUNT = sa.text(
    """
    UPDATE datasets SET decoded_size =
        ((facts ->> 'train')::bigint + (facts ->> 'test')::bigint)
        * coalesce((facts -> 'shape' ->> 0)::bigint, 1)
        * coalesce((facts -> 'shape' ->> 1)::bigint, 1)
        * coalesce((facts -> 'shape' ->> 2)::bigint, 1)
    WHERE id = :id AND decoded_size = 0
    """
)


def upgrade() -> None:
    """Apply the step. What has failed half-way goes on where it stopped."""
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        for dataset in connection.scalars(_OF_BEFORE).all():
            connection.execute(_COUNT, {"id": dataset})


def downgrade() -> None:
    """Take the step back."""
    op.execute("UPDATE datasets SET decoded_size = 0")
