"""Counts a data set as its file or its decoded arrays, whichever is larger.

Revision: 0014, after 0013.

Revision 0015 counts existing data sets. Until then they count as their files.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_FUNCTION = """
    CREATE OR REPLACE FUNCTION count_dataset() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP <> 'DELETE' THEN
                UPDATE owners SET stored_bytes = stored_bytes + {new} WHERE name = NEW.owner;
            END IF;
            IF TG_OP <> 'INSERT' THEN
                UPDATE owners SET stored_bytes = stored_bytes - {old} WHERE name = OLD.owner;
            END IF;
            RETURN NULL;
        END
    $$
"""
_TRIGGER = """
    CREATE TRIGGER count_dataset AFTER {events} ON datasets
    FOR EACH ROW EXECUTE FUNCTION count_dataset()
"""


def upgrade() -> None:
    """Apply the step."""
    op.add_column(
        "datasets", sa.Column("decoded_size", sa.BigInteger(), server_default="0", nullable=False)
    )
    larger = "greatest({row}.size, {row}.decoded_size)"
    op.execute(_FUNCTION.format(new=larger.format(row="NEW"), old=larger.format(row="OLD")))
    op.execute("DROP TRIGGER count_dataset ON datasets")
    op.execute(_TRIGGER.format(events="INSERT OR DELETE OR UPDATE OF size, decoded_size"))


def downgrade() -> None:
    """Take the step back; `decoded_size` is 0 everywhere by then."""
    op.execute("DROP TRIGGER count_dataset ON datasets")
    op.execute(_TRIGGER.format(events="INSERT OR DELETE"))
    op.execute(_FUNCTION.format(new="NEW.size", old="OLD.size"))
    op.drop_column("datasets", "decoded_size")
