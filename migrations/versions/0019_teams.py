"""Adds teams. Existing jobs and data sets stay visible to their owners alone.

Revision: 0019, after 0018.
"""

import sqlalchemy as sa
from alembic import op

from service.store.migrate import unlimited_lock_wait

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_SHARED = ("jobs", "datasets")
_INDEXES = {
    "ix_jobs_team_id": ("jobs", ["team", "id"]),
    "ix_jobs_team_state_id": ("jobs", ["team", "state", "id"]),
    "ix_datasets_team_id": ("datasets", ["team", "id"]),
}


def upgrade() -> None:
    """Apply the step. If it fails half-way, it can be repeated."""
    op.create_table(
        "teams",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("weight", sa.Float()),
        sa.Column("max_running", sa.Integer()),
        sa.Column("max_queued", sa.Integer()),
        sa.Column("max_stored_bytes", sa.BigInteger()),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(),
                  nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_teams"),
        if_not_exists=True,
    )  # fmt: skip
    op.create_table(
        "team_members",
        sa.Column("team", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("home", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), server_default=sa.func.now(),
                  nullable=False),
        sa.ForeignKeyConstraint(["team"], ["teams.name"], name="fk_team_members_team"),
        sa.ForeignKeyConstraint(["owner"], ["owners.name"], name="fk_team_members_owner"),
        sa.PrimaryKeyConstraint("team", "owner", name="pk_team_members"),
        if_not_exists=True,
    )  # fmt: skip
    op.create_index("ix_team_members_owner", "team_members", ["owner"], if_not_exists=True)
    op.create_index(
        "uq_team_members_home",
        "team_members",
        ["owner"],
        unique=True,
        postgresql_where=sa.text("home"),
        if_not_exists=True,
    )
    for table in _SHARED:
        op.execute(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS team varchar")
    with op.get_context().autocommit_block():
        for table in _SHARED:
            op.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS fk_{table}_team")
            op.execute(
                f"ALTER TABLE {table} ADD CONSTRAINT fk_{table}_team"
                " FOREIGN KEY (team) REFERENCES teams (name) NOT VALID"
            )
            # Validation reads the table without blocking its writers.
            op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT fk_{table}_team")
        with unlimited_lock_wait(op.get_bind()):
            for name, (table, columns) in _INDEXES.items():
                op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
                op.create_index(
                    name,
                    table,
                    columns,
                    postgresql_where=sa.text("team IS NOT NULL"),
                    postgresql_concurrently=True,
                )


def downgrade() -> None:
    """Take the step back. Teams are deleted."""
    for name, (table, _) in _INDEXES.items():
        op.drop_index(name, table)
    for table in _SHARED:
        op.drop_column(table, "team")
    op.drop_table("team_members")
    op.drop_table("teams")
