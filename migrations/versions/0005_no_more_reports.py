"""Deletes report runs, because summaries are computed when they are fetched.

Revision: 0005, after 0004.

Jobs now end with their last experiment. The files of existing reports stay with their jobs.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_FORGET_THEIR_LOGS = """
    UPDATE owners o SET stored_bytes = o.stored_bytes - gone.size
    FROM (
        SELECT r.owner, sum(b.size) AS size
        FROM runs r JOIN blobs b ON b.digest IN (r.checkpoint_digest, r.log_digest)
        WHERE r.kind = 'report' GROUP BY r.owner
    ) gone
    WHERE o.name = gone.owner
"""
"""They count among what an owner stores (0003) until they are gone."""

_SETTLE_THEIR_JOBS = """
    WITH counted AS (
        SELECT job_id, count(*) AS total,
            count(*) FILTER (WHERE state IN ('succeeded', 'failed', 'cancelled')) AS finished,
            bool_or(state IN ('blocked', 'queued', 'running')) AS unfinished,
            bool_or(state NOT IN ('blocked', 'queued')) AS started,
            bool_or(state = 'failed') AS failed,
            bool_or(state = 'cancelled') AS cancelled
        FROM runs
        WHERE kind <> 'report' AND job_id IN (SELECT job_id FROM runs WHERE kind = 'report')
        GROUP BY job_id
    ),
    derived AS (
        SELECT *, CASE
            WHEN unfinished AND started THEN 'running'
            WHEN unfinished THEN 'queued'
            WHEN failed THEN 'failed'
            WHEN cancelled THEN 'cancelled'
            ELSE 'succeeded'
        END AS state
        FROM counted
    ),
    settled AS (
        UPDATE jobs j SET
            runs_total = d.total,
            runs_finished = d.finished,
            state = d.state,
            failure = CASE WHEN j.failure ->> 'run' = 'report' THEN NULL ELSE j.failure END,
            finished_at = CASE WHEN d.unfinished THEN NULL ELSE coalesce(j.finished_at, now()) END,
            events = j.events + CASE
                WHEN NOT d.unfinished AND j.finished_at IS NULL THEN 1 ELSE 0
            END
        FROM derived d, jobs before
        WHERE j.id = d.job_id AND before.id = j.id
        RETURNING j.id, j.state, j.events, j.events > before.events AS ended
    )
    INSERT INTO events (job_id, number, kind, data)
    SELECT id, events, 'job_finished', jsonb_build_object('state', state)
    FROM settled WHERE ended
"""
"""Finishes jobs whose only unfinished run was a report, by the rule of `service.store.states`."""


def upgrade() -> None:
    """Apply the step."""
    op.alter_column("artifacts", "run_id", existing_type=sa.Uuid(), nullable=True)
    op.execute(
        "UPDATE artifacts SET run_id = NULL"
        " WHERE run_id IN (SELECT id FROM runs WHERE kind = 'report')"
    )
    op.execute(_FORGET_THEIR_LOGS)
    op.execute(_SETTLE_THEIR_JOBS)
    op.execute("DELETE FROM runs WHERE kind = 'report'")
    op.alter_column("runs", "trunk", existing_type=sa.String(64), nullable=False)
    op.drop_constraint("ck_runs_runkind", "runs")
    op.create_check_constraint(op.f("ck_runs_runkind"), "runs", "kind IN ('trunk', 'experiment')")


def downgrade() -> None:
    """Take the step back. The reports do not come back, nor do the files that had no run."""
    op.drop_constraint("ck_runs_runkind", "runs")
    op.create_check_constraint(
        op.f("ck_runs_runkind"), "runs", "kind IN ('trunk', 'experiment', 'report')"
    )
    op.alter_column("runs", "trunk", existing_type=sa.String(64), nullable=True)
    op.execute(
        "WITH gone AS (DELETE FROM artifacts WHERE run_id IS NULL RETURNING job_id, size)"
        " UPDATE owners o SET stored_bytes = o.stored_bytes - less.size"
        " FROM (SELECT j.owner, sum(g.size) AS size FROM gone g JOIN jobs j ON j.id = g.job_id"
        " GROUP BY j.owner) less WHERE o.name = less.owner"
    )
    op.alter_column("artifacts", "run_id", existing_type=sa.Uuid(), nullable=False)
