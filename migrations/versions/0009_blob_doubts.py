"""Records blobs that may be unused, so that the housekeeping does not read all blobs.

Revision: 0009, after 0008.

Triggers record them, because cascades delete references that no statement of the store names. The
triggers only add rows, so deleting a job does not wait for a transaction that saves an equal file.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_FUNCTIONS = {
    "doubt_entered_blob()": """
        BEGIN
            INSERT INTO blob_doubts (digest) VALUES (NEW.digest);
            RETURN NULL;
        END
    """,
    "doubt_blob()": """
        BEGIN
            INSERT INTO blob_doubts (digest) VALUES (OLD.digest);
            RETURN NULL;
        END
    """,
    "doubt_blobs_of_run()": """
        BEGIN
            INSERT INTO blob_doubts (digest)
            SELECT digest FROM (VALUES (OLD.checkpoint_digest), (OLD.log_digest)) files (digest)
            WHERE digest IS NOT NULL;
            RETURN NULL;
        END
    """,
}
_TRIGGERS = {
    "doubt_entered_blob ON blobs": """
        AFTER INSERT OR UPDATE OF touched_at ON blobs FOR EACH ROW
        EXECUTE FUNCTION doubt_entered_blob()
    """,
    **{
        f"doubt_blob ON {table}": f"""
            AFTER DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION doubt_blob()
        """
        for table in ("artifacts", "datasets", "trunks")
    },
    "doubt_files_of_run ON runs": """
        AFTER UPDATE OF checkpoint_digest, log_digest ON runs FOR EACH ROW
        WHEN (
            OLD.checkpoint_digest IS DISTINCT FROM NEW.checkpoint_digest
            OR OLD.log_digest IS DISTINCT FROM NEW.log_digest
        )
        EXECUTE FUNCTION doubt_blobs_of_run()
    """,
    "doubt_files_of_deleted_run ON runs": """
        AFTER DELETE ON runs FOR EACH ROW
        WHEN (OLD.checkpoint_digest IS NOT NULL OR OLD.log_digest IS NOT NULL)
        EXECUTE FUNCTION doubt_blobs_of_run()
    """,
}


def upgrade() -> None:
    """Apply the step. The next one notes the blobs that are unused already."""
    op.create_table(
        "blob_doubts",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_blob_doubts")),
    )
    for head, body in _FUNCTIONS.items():
        op.execute(f"CREATE FUNCTION {head} RETURNS trigger LANGUAGE plpgsql AS $${body}$$")
    for head, body in _TRIGGERS.items():
        op.execute(f"CREATE TRIGGER {head.partition(' ')[0]} {body}")


def downgrade() -> None:
    """Take the step back."""
    for head in _TRIGGERS:
        op.execute(f"DROP TRIGGER {head}")
    for head in _FUNCTIONS:
        op.execute(f"DROP FUNCTION {head}")
    op.drop_table("blob_doubts")
