"""Damaged files are found, and repaired with the same bytes."""

import subprocess
import sys
from pathlib import Path

import pytest

from service.stack.verify import verify
from service.store.blobs import identity
from service.store.runs import artifacts
from service.store.states import JobState
from tests import ROOT
from tests.service.store.blobs.test_durability import DAMAGES
from tests.worker.rig import Rig, eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

ROBUST = {
    "kind": "robust",
    "trials": 2,
    "experiments": [
        {"name": "ticket"},
        {"name": "control", "control": {"kind": "random_weights", "of": "ticket"}},
    ],
}


@pytest.fixture(scope="module")
def ended(workers: Rig) -> str:
    """A job that has succeeded."""
    job_id = workers.submit(ROBUST)
    assert workers.wait(job_id).state is JobState.SUCCEEDED
    return job_id


def path_of(rig: Rig, digest: str) -> Path:
    return Path(rig.settings.object_store_url.removeprefix("file://"), digest[:2], digest)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_computed_again_with_the_same_bytes(
    workers: Rig, ended: str, damage
) -> None:
    before = workers.files(ended)
    with workers.database.transaction() as session:
        artifact = artifacts.get(session, ended, "trial-1/ticket/masks.npz")
    damage(path_of(workers, artifact.digest))

    verified = verify(workers.settings)
    assert verified.queued == ()
    [finding] = verified.findings
    assert finding.digest == artifact.digest
    assert f"artifact trial-1/ticket/masks.npz of {ended}" in str(finding)

    assert verify(workers.settings, requeue=True).queued == (ended,)
    assert workers.wait(ended).state is JobState.SUCCEEDED
    assert workers.files(ended) == before
    assert verify(workers.settings).findings == ()


def test_damaged_logs_and_trunks_are_deleted(workers: Rig, ended: str) -> None:
    run = next(run for run in workers.runs(ended) if run.log_digest)
    assert run.log_digest is not None
    path_of(workers, run.log_digest).unlink()
    command = [sys.executable, "-m", "lth.cli", "verify", "--requeue"]
    environment = {
        "LTH_DATABASE_URL": workers.settings.database_url,
        "LTH_OBJECT_STORE_URL": workers.settings.object_store_url,
        "PATH": "/usr/bin:/bin",
    }
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 10, done.stderr
    assert f"missing {run.log_digest}: log {run.key} of {ended}" in done.stderr
    assert verify(workers.settings).findings == ()


def test_a_worker_with_another_object_store_takes_no_run(rig: Rig, tmp_path: Path) -> None:
    identity.establish(rig.database, rig.blobs)
    other = rig.start(object_store_url=tmp_path.as_uri(), worker_pools="strange")
    job_id = rig.submit(pool="strange")

    def refuses() -> bool:
        from service.store.workers import workers

        with rig.database.transaction() as session:
            reasons = [one.detail.get("why", "") for one in workers.all_of_them(session)]
        assert not any(str(tmp_path) in why for why in reasons), reasons
        return any("LTH_OBJECT_STORE_URL names another object store" in why for why in reasons)

    eventually(refuses)
    assert rig.job(job_id).state is JobState.QUEUED
    rig.stop(other)
    right = rig.start(worker_pools="strange")
    assert rig.wait(job_id).state is JobState.SUCCEEDED
    rig.stop(right)
