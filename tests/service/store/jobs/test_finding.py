"""Jobs are found by id, by name, and by the beginning of the id."""

import pytest

from service.store.accounts.viewers import Viewer
from service.store.database import Database
from service.store.errors import NotThere
from service.store.jobs import jobs
from tests.service.store.conftest import Submit


def found(database: Database, given: str, viewer: Viewer | None = None) -> str:
    with database.transaction() as session:
        return jobs.find(session, given, viewer).id


def test_a_job_is_found_by_id_name_and_beginning(submit: Submit, database: Database) -> None:
    first, second = submit({"name": "first"}), submit({"name": "second"})
    assert found(database, first) == found(database, "first") == first
    alone = next(n for n in range(10, 37) if not second.startswith(first[:n]))
    assert found(database, first[:alone]) == first
    with pytest.raises(NotThere, match="stands for several jobs"):
        found(database, first[:9])


def test_a_name_of_several_jobs_is_refused_with_their_ids(
    submit: Submit, database: Database
) -> None:
    ids = [submit({"name": "twice"}) for _ in range(2)]
    with pytest.raises(NotThere) as caught:
        found(database, "twice")
    assert all(one in str(caught.value) for one in ids)


@pytest.mark.parametrize("given", ["", "unknown", "job_", "job_%", "%", "job_ffff"])
def test_nothing_else_is_found(submit: Submit, database: Database, given: str) -> None:
    submit({"name": ""})
    with pytest.raises(NotThere, match="there is no job"):
        found(database, given)


def test_jobs_of_others_are_not_found(submit: Submit, database: Database) -> None:
    job = submit({"name": "mine"})
    for given in (job, "mine", job[:20]):
        with pytest.raises(NotThere, match="there is no job"):
            found(database, given, Viewer("somebody"))
