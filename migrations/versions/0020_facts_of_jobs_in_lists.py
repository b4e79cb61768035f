"""Stores the data set, the network and the best accuracy of a job, for lists.

Revision: 0020, after 0019.

Existing jobs get theirs in transactions of a few thousand rows, so other writers wait for none of
them for long.
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_COLUMNS = {"dataset": "varchar", "network": "varchar", "best_accuracy": "double precision"}
_STEP = 2_000
_NEXT = sa.text("SELECT id FROM jobs WHERE id > :last ORDER BY id OFFSET :offset LIMIT 1")
_LAST = sa.text("SELECT max(id) FROM jobs")
_FILL = sa.text(
    """
    UPDATE jobs j SET
        dataset = coalesce(j.spec -> 'dataset' ->> 'id', j.spec -> 'dataset' ->> 'kind'),
        network = CASE j.spec -> 'network' ->> 'kind'
            WHEN 'layers' THEN 'own layers' ELSE j.spec -> 'network' ->> 'kind' END,
        best_accuracy = (
            SELECT max((level -> 'early_stop' -> 'test' ->> 'accuracy')::double precision)
            FROM results r, jsonb_array_elements(r.document -> 'levels') level
            WHERE r.job_id = j.id
        )
    WHERE j.id > :last AND j.id <= :until AND j.dataset IS NULL
    """
)


def upgrade() -> None:
    """Apply the step. What has failed half-way goes on where it stopped."""
    for name, kind in _COLUMNS.items():
        op.execute(f"ALTER TABLE jobs ADD COLUMN IF NOT EXISTS {name} {kind}")
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        newest, last = connection.scalar(_LAST), ""
        while newest is not None and last < newest:
            until = connection.scalar(_NEXT, {"last": last, "offset": _STEP - 1}) or newest
            connection.execute(_FILL, {"last": last, "until": until})
            last = until


def downgrade() -> None:
    """Take the step back."""
    for name in _COLUMNS:
        op.drop_column("jobs", name)
