"""The outlook of a job while workers claim its runs."""

import pytest
from sqlalchemy import event

from service.store.database import Database
from service.store.jobs import jobs
from service.store.jobs.queue_position import outlook
from tests.service.store.conftest import Claim, Submit


@pytest.mark.parametrize("after", range(1, 12))
def test_a_run_that_is_claimed_between_two_statements_is_no_error(
    submit: Submit, claim: Claim, database: Database, after: int
) -> None:
    job_id = submit()
    statements = 0

    def claim_then(*_: object) -> None:
        nonlocal statements
        statements += 1
        if statements == after:
            assert claim() is not None

    with database.transaction() as session:
        job = jobs.get(session, job_id)
        connection = session.connection()
        event.listen(connection, "after_cursor_execute", claim_then)
        found = outlook(session, job)
    assert sum(found.counts.values()) == 1
