"""Files are found by their job, their run and their exact name."""

import pytest

from service.settings import Settings
from service.store.blobs import saving
from service.store.blobs.object_store import Blobs
from service.store.database import Database
from service.store.errors import NotThere
from service.store.runs import artifacts, finishing
from service.store.runs.finishing import Kept, Success
from service.store.runs.leases import Lease
from service.store.tables import Artifact
from tests.service.store.conftest import Claim, Submit

SESSION = {"kind": "session", "experiments": [{"name": "a"}, {"name": "b"}]}


@pytest.fixture
def ended(
    submit: Submit, claim: Claim, database: Database, blobs: Blobs, settings: Settings
) -> list[Lease]:
    """The runs of two jobs: each trunk has a log, and each ticket has masks and a log."""
    found = []
    for _ in range(2):
        submit(SESSION)
        for names in (["log"], ["log", "masks"], ["log", "masks"]):
            claimed = claim()
            assert claimed is not None
            found.append(claimed.lease)
            blob = saving.save(database, blobs, b"content")
            files = [Kept(name, blob, "x") for name in names]
            with database.transaction() as session:
                finishing.succeed(session, claimed.lease, Success(None, files), settings)
    return found


def test_a_file_is_found_in_the_first_run_of_the_job_that_has_it(
    ended: list[Lease], database: Database
) -> None:
    for trunk, first, second in (ended[:3], ended[3:]):
        with database.transaction() as session:
            found = artifacts.first(session, first.job_id, "masks")
            assert (found.run_id, found.name) == (first.run_id, f"{first.key}/masks")
            assert artifacts.first(session, first.job_id, "log").run_id == trunk.run_id
            named = artifacts.first(session, first.job_id, "masks", second.key)
            assert named.run_id == second.run_id
            with pytest.raises(NotThere, match=r"'trial-1/trunk' .* has no 'masks'"):
                artifacts.first(session, first.job_id, "masks", trunk.key)


def test_the_list_of_files_of_a_run_has_no_files_of_other_runs(
    ended: list[Lease], database: Database
) -> None:
    for lease in ended:
        with database.transaction() as session:
            found = artifacts.of_run(session, lease.run_id)
        assert {file.run_id for file in found} == {lease.run_id}
        assert len(found) == (1 if lease.key.endswith("trunk") else 2)


def test_adding_an_existing_file_does_not_replace_it(
    ended: list[Lease], database: Database
) -> None:
    with database.transaction() as session:
        (existing,) = artifacts.of_run(session, ended[0].run_id)
        duplicate = Artifact(
            job_id=existing.job_id,
            name=existing.name,
            run_id=existing.run_id,
            digest=existing.digest,
            media_type="another",
            size=existing.size,
        )
        artifacts.add(session, [duplicate])
    with database.transaction() as session:
        assert artifacts.get(session, existing.job_id, existing.name).media_type == "x"
