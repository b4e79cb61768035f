"""Lists of jobs by label are correct for few and for many jobs."""

import pytest

from service.store.database import Database
from service.store.jobs import jobs
from service.store.jobs.jobs import JobFilter
from tests.service.store.conftest import Submit


@pytest.mark.parametrize("few", [0, 2, 3, 5_000])
def test_jobs_are_listed_by_their_labels(
    submit: Submit, database: Database, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(jobs, "_FEW", few)
    both = {"team": "vision", "sweep": "7"}
    first, second = submit({"labels": both}), submit({"labels": both})
    other = submit({"labels": {"team": "vision"}})
    submit({"labels": {"team": "speech", "sweep": "7"}})
    submit({"labels": both}, owner="bob")

    def listed(cursor: str | None = None, **labels: str) -> tuple[list[str], str | None]:
        with database.transaction() as session:
            found = jobs.page(session, JobFilter(owner="ann", labels=labels), cursor, limit=2)
        return [job.id for job in found.rows], found.cursor

    page, cursor = listed(team="vision")
    assert page == [other, second]
    assert cursor is not None
    assert listed(cursor, team="vision") == ([first], None)
    assert listed(**both) == ([second, first], None)
    assert listed(team="nobody's") == ([], None)
