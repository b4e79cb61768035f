"""The memory of runs and workers: which worker may claim a run, also after a kill for memory."""

import pytest
from sqlalchemy import delete, select, update

from lth.spec.document import parse_spec
from lth.spec.memory import estimate_memory
from service.settings import Settings
from service.store.database import Database
from service.store.jobs import commands, events, jobs
from service.store.runs import finishing
from service.store.runs.claims import Claimed
from service.store.runs.finishing import Success
from service.store.states import JobState, Reason, RunState
from service.store.tables import Run, Worker, WorkerState
from service.store.workers import workers
from service.store.workers.workers import WorkerFacts
from tests.service.store.conftest import SESSION, Claim, Submit

GIB = 1 << 30
NEEDS = estimate_memory(parse_spec({"kind": "model"})).total
WHY = "the kernel killed its process because memory ran out"


def register(database: Database, name: str, memory: int | None, pool: str = "cpu") -> None:
    facts = WorkerFacts(name, "host/1", "host", 1, [pool], "cpu", memory_total=memory)
    with database.transaction() as session:
        workers.register(session, facts)


def kill(database: Database, settings: Settings, claimed: Claimed | None) -> RunState:
    assert claimed is not None
    with database.transaction() as session:
        return finishing.lose(session, claimed.lease, settings, WHY, out_of_memory=True)


def the_run(database: Database) -> Run:
    with database.transaction() as session:
        return session.scalars(select(Run)).one()


def test_each_run_stores_the_estimate_of_its_spec(submit: Submit, database: Database) -> None:
    submit(SESSION)
    with database.transaction() as session:
        stored = set(session.scalars(select(Run.memory)))
    assert stored == {estimate_memory(parse_spec(SESSION)).total}


def test_a_run_is_claimed_only_by_a_worker_with_enough_memory(submit: Submit, claim: Claim) -> None:
    submit()
    assert claim(memory=NEEDS - 1) is None
    assert claim(memory=NEEDS) is not None


def test_a_run_without_an_estimate_fits_every_worker(
    submit: Submit, claim: Claim, database: Database
) -> None:
    submit()
    with database.transaction() as session:
        session.execute(update(Run).values(memory=None))
    assert claim(memory=1) is not None


def test_a_run_that_does_not_fit_hides_no_other_run(
    submit: Submit, claim: Claim, database: Database
) -> None:
    large = submit(priority=100)
    another_owner, another_job = submit(owner="bob", priority=0), submit(priority=0)
    with database.transaction() as session:
        session.execute(update(Run).where(Run.job_id == large).values(memory=9 * GIB))

    claimed = [claim(memory=8 * GIB) for _ in range(3)]

    assert {one.lease.job_id for one in claimed if one} == {another_owner, another_job}
    assert claimed[2] is None
    one = claim(memory=9 * GIB)
    assert one is not None
    assert one.lease.job_id == large


def test_runs_that_need_a_trunk_are_claimed_by_memory_too(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    submit(SESSION)
    trunk = claim(memory=NEEDS * 2)
    assert trunk is not None
    with database.transaction() as session:
        finishing.succeed(session, trunk.lease, Success(None, ()), settings)
    assert claim(memory=NEEDS - 1) is None
    assert claim(memory=NEEDS * 2) is not None


def test_the_largest_worker_of_a_pool(database: Database) -> None:
    def largest(pool: str) -> int | None:
        with database.transaction() as session:
            return workers.largest(session, pool)

    assert largest("cpu") is None
    register(database, "w1", 4 * GIB)
    register(database, "w2", 12 * GIB)
    register(database, "w3", 80 * GIB, "gpu")
    assert (largest("cpu"), largest("gpu")) == (12 * GIB, 80 * GIB)
    with database.transaction() as session:
        lost = update(Worker).where(Worker.id == "w2")
        session.execute(lost.values(state=WorkerState.LOST))
    assert largest("cpu") == 4 * GIB
    register(database, "w4", None)
    assert largest("cpu") is None, "a worker of an older version may have any memory"


def test_after_a_kill_for_memory_a_run_waits_for_a_larger_worker(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    submit()
    register(database, "small", 8 * GIB)
    register(database, "large", 16 * GIB)
    assert kill(database, settings, claim(worker="small", memory=8 * GIB)) is RunState.QUEUED

    assert claim(worker="small", memory=8 * GIB) is None
    again = claim(worker="large", memory=16 * GIB)

    assert again is not None
    assert again.lease.attempt == 2
    run = the_run(database)
    assert (run.losses, run.killed_with_memory) == (1, 8 * GIB)


@pytest.mark.parametrize("gone", [None, "lost", "draining", "forgotten", "another pool"])
def test_without_a_larger_worker_an_equal_one_tries_again(
    gone: str | None, submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    submit()
    register(database, "small", 8 * GIB)
    if gone is not None:
        register(database, "large", 16 * GIB, "gpu" if gone == "another pool" else "cpu")
    assert kill(database, settings, claim(worker="small", memory=8 * GIB)) is RunState.QUEUED
    with database.transaction() as session:
        if gone in ("lost", "draining"):
            session.execute(update(Worker).where(Worker.id == "large").values(state=gone))
        if gone == "forgotten":
            session.execute(delete(Worker).where(Worker.id == "large"))

    assert claim(worker="small", memory=8 * GIB) is not None


def test_a_second_kill_for_memory_ends_the_run(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    job_id = submit()
    register(database, "host/1/1", 8 * GIB)
    assert kill(database, settings, claim(memory=8 * GIB)) is RunState.QUEUED
    assert kill(database, settings, claim(memory=8 * GIB)) is RunState.FAILED

    run = the_run(database)
    assert (run.failure_reason, run.attempt, run.losses) == (Reason.OUT_OF_MEMORY, 2, 2)
    assert run.failure_message is not None
    assert WHY in run.failure_message
    assert "smaller batch" in run.failure_message
    with database.transaction() as session:
        job = jobs.get(session, job_id)
        kinds = [event.kind for event in events.since(session, job_id)]
    assert job.state is JobState.FAILED
    assert job.failure is not None
    assert job.failure["reason"] == "out_of_memory"
    assert kinds.count("run_requeued") == kinds.count("run_failed") == 1


def test_a_kill_for_memory_of_a_cancelled_run_cancels_it(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    job_id = submit()
    claimed = claim()
    with database.transaction() as session:
        commands.cancel(session, jobs.get(session, job_id))
    assert kill(database, settings, claimed) is RunState.CANCELLED


def test_kills_for_memory_and_other_losses_count_separately_but_both_are_losses(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    submit()
    for worker_died in (True, False):
        claimed = claim()
        assert claimed is not None
        with database.transaction() as session:
            state = finishing.lose(
                session, claimed.lease, settings, WHY, out_of_memory=not worker_died
            )
        assert state is RunState.QUEUED
    assert kill(database, settings, claim()) is RunState.FAILED
    assert the_run(database).failure_reason is Reason.OUT_OF_MEMORY


def test_one_permitted_loss_allows_no_second_attempt(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    submit()
    strict = settings.model_copy(update={"max_losses": 1})
    assert kill(database, strict, claim()) is RunState.FAILED
    assert the_run(database).failure_reason is Reason.OUT_OF_MEMORY


def test_a_retry_forgets_the_kills_and_keeps_the_estimate(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    job_id = submit()
    register(database, "host/1/1", 8 * GIB)
    register(database, "large", 16 * GIB)
    for _ in range(2):
        kill(database, settings, claim())
    with database.transaction() as session:
        commands.retry(session, jobs.get(session, job_id))

    run = the_run(database)
    assert (run.memory, run.killed_with_memory, run.losses) == (NEEDS, None, 0)
    assert kill(database, settings, claim(memory=8 * GIB)) is RunState.QUEUED
