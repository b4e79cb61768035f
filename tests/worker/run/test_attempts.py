"""The ends of an attempt, and what is stored of each."""

import psutil
import pytest
from sqlalchemy import update

from service.store.runs import runs as run_rows
from service.store.states import JobState, Reason, RunState
from service.store.tables import Run
from tests.worker.rig import Rig, eventually, pid_of

pytestmark = pytest.mark.system


def test_job_succeeds_with_result_artifacts_and_log(workers: Rig) -> None:
    job = workers.wait(workers.submit())

    [run] = workers.runs(job.id)
    assert (job.state, run.state, run.attempt) == (JobState.SUCCEEDED, RunState.SUCCEEDED, 1)
    assert list(workers.files(job.id)) == ["trial-1/ticket/masks.npz"]
    with workers.database.transaction() as session:
        [(_, result)] = run_rows.results(session, job.id)
    assert [level.level for level in result.levels] == [0, 1]
    assert run.log_digest is not None
    assert "starting at level 0" in workers.blobs.get(run.log_digest).decode()
    numbers = [event.number for event in workers.events(job.id)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert workers.kinds(job.id)[-2:] == ["run_succeeded", "job_finished"]


def test_robust_job_runs_trunks_then_experiments(workers: Rig) -> None:
    spec = {"kind": "robust", "trials": 2, "experiments": [{"name": "a"}, {"name": "b"}]}

    job = workers.wait(workers.submit(spec))

    assert (job.state, job.runs_finished) == (JobState.SUCCEEDED, 6)
    ended = [e.run for e in workers.events(job.id) if e.kind == "run_succeeded"]
    for trial in (1, 2):
        trunk = ended.index(f"trial-{trial}/trunk")
        assert all(trunk < ended.index(f"trial-{trial}/{name}") for name in "ab")


def test_second_job_with_the_same_trunk_reuses_it(workers: Rig) -> None:
    spec = {"kind": "session", "seed": 77, "experiments": [{"name": "a"}, {"name": "b"}]}
    workers.wait(workers.submit(spec))

    job = workers.wait(workers.submit({**spec, "name": "again"}))

    assert "progress" not in [e.kind for e in workers.events(job.id) if e.run == "trial-1/trunk"]
    with workers.database.transaction() as session:
        assert all(result.trunk_reused for _, result in run_rows.results(session, job.id))


@pytest.mark.parametrize(
    ("label", "reason", "said"),
    [
        ("diverged", Reason.DIVERGED, "smaller learning rate"),
        ("memory", Reason.OUT_OF_MEMORY, "smaller batch"),
        ("user", Reason.USER_ERROR, "this cannot be"),
        ("bug", Reason.INTERNAL, "KeyError: 'defect'"),
    ],
)
def test_a_failure_has_a_reason_and_advice(
    workers: Rig, label: str, reason: Reason, said: str
) -> None:
    job = workers.wait(workers.submit({"labels": {"fail": label}}))

    [run] = workers.runs(job.id)
    assert (job.state, run.failure_reason) == (JobState.FAILED, reason)
    assert said in (run.failure_message or "")
    assert job.failure is not None
    assert job.failure["reason"] == reason
    # The message of a user's error tells all; a traceback would hide it.
    traced = reason not in (Reason.DIVERGED, Reason.USER_ERROR)
    assert ("Traceback" in (run.log_tail or "")) == traced
    assert (run.failure_message or "") in (run.log_tail or "")
    assert run.log_digest is not None
    assert (b"Traceback" in workers.blobs.get(run.log_digest)) == traced
    if label == "bug":
        assert "something on the way to the defect" in (run.log_tail or "")


def test_a_failure_is_stored_for_every_error_message(workers: Rig) -> None:
    """Postgres' texts hold no null and no half of a surrogate pair."""
    job = workers.wait(workers.submit({"labels": {"fail": "noise"}}))

    assert job.failure is not None
    assert "noise: ? ? xxx" in job.failure["message"]
    assert "please report it" in job.failure["message"]
    assert len(job.failure["message"]) < 10_000


def test_a_failed_trunk_cancels_dependent_runs(workers: Rig) -> None:
    spec = {"kind": "session", "experiments": [{"name": "a"}], "labels": {"fail": "user"}}

    job = workers.wait(workers.submit(spec))

    states = {run.key: run.state for run in workers.runs(job.id)}
    assert job.state is JobState.FAILED
    assert states == {
        "trial-1/trunk": RunState.SUCCEEDED,
        "trial-1/a": RunState.FAILED,
    }


def test_a_run_over_its_time_limit_fails_as_timeout(workers: Rig) -> None:
    job_id = workers.submit({"labels": {"seconds": "30"}}, max_run_seconds=1)

    job = workers.wait(job_id)

    assert job.failure is not None
    assert job.failure["reason"] == Reason.TIMEOUT
    assert "max_run_seconds" in job.failure["message"]


def test_a_job_over_its_time_limit_fails_as_timeout_and_keeps_finished_runs(workers: Rig) -> None:
    robust = {
        "kind": "robust",
        "trials": 5,
        "labels": {"levels": "2", "seconds": "2"},
        "experiments": [{"name": "ticket"}],
    }
    job_id = workers.submit(robust, max_seconds=9)

    job = workers.wait(job_id)

    runs = workers.runs(job_id)
    assert job.failure is not None
    assert job.failure["reason"] == Reason.TIMEOUT
    assert "max_seconds" in job.failure["message"]
    done = [run for run in runs if run.state is RunState.SUCCEEDED]
    assert done
    late = [run for run in runs if run.state is not RunState.SUCCEEDED]
    assert {(run.state, run.failure_reason) for run in late} == {(RunState.FAILED, Reason.TIMEOUT)}
    assert 8.5 < sum(run.seconds for run in runs) < 12, "all of it would take twenty"


def test_a_run_gets_the_remaining_time_of_its_job(workers: Rig) -> None:
    job_id = workers.submit({"labels": {"seconds": "30"}, "seed": 30}, max_seconds=30)
    run = workers.wait_running(job_id)
    with workers.database.transaction() as session:
        session.execute(update(Run).where(Run.id == run.id).values(seconds=29.0))

    job = workers.wait(job_id, 20)

    assert job.failure is not None
    assert job.failure["reason"] == Reason.TIMEOUT


@pytest.mark.timeout(600)
def test_a_hanging_run_is_killed_with_its_process(workers: Rig) -> None:
    job_id = workers.submit({"labels": {"hang": "yes"}}, max_run_seconds=2)

    job = workers.wait(job_id)

    assert job.failure is not None
    assert job.failure["reason"] == Reason.TIMEOUT
    assert [run.attempt for run in workers.runs(job_id)] == [1]


@pytest.mark.timeout(600)
def test_run_that_kills_its_worker_each_time_ends_as_worker_lost(workers: Rig) -> None:
    job = workers.wait(workers.submit({"labels": {"kill": "yes"}}), 200)

    [run] = workers.runs(job.id)
    assert (run.failure_reason, run.attempt, run.losses) == (Reason.WORKER_LOST, 3, 3)
    assert workers.kinds(job.id).count("run_requeued") == 2


def test_process_that_has_compiled_many_networks_is_replaced_and_no_run_is_lost(
    workers: Rig,
) -> None:
    job = workers.wait(workers.submit({"labels": {"programs": "1000"}}))
    [run] = workers.runs(job.id)

    eventually(lambda: not psutil.pid_exists(pid_of(run)))
    assert workers.wait(workers.submit()).state is JobState.SUCCEEDED
