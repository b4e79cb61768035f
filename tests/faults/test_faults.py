"""Jobs survive all faults of the parts of a stack.

``make faults`` runs the long form and prints what was injected; `make test` a short one. All of
it is real: the API, Postgres, Valkey, beat, workers with TensorFlow, blobs in a folder.
"""

import random
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest
from sqlalchemy import select

from service.store.jobs import commands, jobs
from service.store.states import JobState
from service.store.tables import Event, Job, Result, Run
from tests.faults.inject import FAULTS, LONGEST_WAIT
from tests.faults.scene import Scene, scene
from tests.faults.storm import arrays, document, finish, judge, peace, storm
from tests.worker.rig import eventually, pid_of

pytestmark = [pytest.mark.system, pytest.mark.timeout(3600)]

ITERATIVE: dict[str, Any] = {
    "kind": "model",
    "plots": "none",
    "network": {
        "kind": "layers",
        "layers": [
            "flatten",
            {"kind": "linear", "units": 300, "activation": "relu"},
            "batch_normalization",
            {"kind": "dropout", "rate": 0.2},
            {"kind": "linear", "units": 100, "activation": "relu"},
            {"kind": "linear", "units": 10},
        ],
    },
    "training": {"duration": "60ep", "evaluate_every": "2ep"},
    "pruning": {"schedule": {"kind": "geometric", "fraction": 0.5, "rounds": 3}},
}
"""With every kind of state that training changes: weights, the optimizer's slots, moving averages,
and the random state of dropout."""


@pytest.fixture(scope="module")
def there() -> Iterator[Scene]:
    """The stack of the short tests."""
    with scene() as there:
        yield there


def test_a_run_killed_at_a_random_evaluation_point_gives_the_bytes_of_an_undisturbed_run(
    there: Scene,
):
    chance = random.Random()
    undisturbed = there.submit(ITERATIVE)
    finish(there, [undisturbed], 1200)
    level, later = chance.randint(1, 2), chance.uniform(0, seconds_of(there, undisturbed) / 4)
    killed = there.submit(ITERATIVE)
    eventually(lambda: trains(there, killed, level), 1200, every=0.01)
    time.sleep(later)
    with there.database.transaction() as session:
        run = session.scalars(select(Run).where(Run.job_id == killed)).one()
        assert run.state == "running"
    psutil.Process(pid_of(run)).kill()
    finish(there, [killed], 1200)
    with there.database.transaction() as session:
        run = session.scalars(select(Run).where(Run.job_id == killed)).one()
        assert session.get_one(Job, killed).state == JobState.SUCCEEDED
        assert (run.attempt, run.losses) == (2, 1)
    told = f"killed {later} s into level {level}"
    assert arrays(there, killed) == arrays(there, undisturbed), told
    assert len(arrays(there, killed)) == 6
    assert levels(there, killed) == levels(there, undisturbed), told


def test_a_cancelled_run_continues_at_the_step_that_it_has_reached(there: Scene) -> None:
    undisturbed = there.submit(ITERATIVE)
    finish(there, [undisturbed], 1200)
    cancelled = there.submit(ITERATIVE)
    eventually(lambda: trains(there, cancelled, 2), 1200, every=0.01)
    with there.database.transaction() as session:
        commands.cancel(session, jobs.get(session, cancelled))
    eventually(lambda: state_of(there, cancelled) == JobState.CANCELLED, 60)
    shown = levels(there, cancelled)
    assert len(shown) == 2, "levels 0 and 1 are finished"
    before = steps(there, cancelled)
    with there.database.transaction() as session:
        commands.retry(session, jobs.get(session, cancelled))
    finish(there, [cancelled], 1200)
    first = steps(there, cancelled)[len(before)]
    assert first > before[-1], "no step is repeated"
    assert arrays(there, cancelled) == arrays(there, undisturbed)
    assert levels(there, cancelled) == levels(there, undisturbed)
    assert levels(there, cancelled)[:2] == shown


def state_of(there: Scene, job_id: str) -> JobState:
    with there.database.transaction() as session:
        return session.get_one(Job, job_id).state


def levels(there: Scene, job_id: str) -> list[dict[str, Any]]:
    """The results of the levels of a job with one run, without what depends on the clock."""
    with there.database.transaction() as session:
        document = session.scalars(select(Result.document).where(Result.job_id == job_id)).one()
    timed = ("seconds", "samples_per_second")
    return [{k: v for k, v in one.items() if k not in timed} for one in document["levels"]]


def steps(there: Scene, job_id: str) -> list[tuple[int, int]]:
    """Level and iteration of each progress that a job has reported."""
    told = select(Event.data).where(
        Event.job_id == job_id, Event.kind.in_(("progress", "evaluation"))
    )
    with there.database.transaction() as session:
        found = session.scalars(told.order_by(Event.number))
        return [(data["level"], data["iteration"]) for data in found]


def seconds_of(there: Scene, job_id: str) -> float:
    """The training time of a job with one run."""
    with there.database.transaction() as session:
        return session.scalars(select(Run.seconds).where(Run.job_id == job_id)).one()


def trains(there: Scene, job_id: str, level: int) -> bool:
    """Whether a job has reported an evaluation point of a level."""
    told = select(Event.data).where(Event.job_id == job_id, Event.kind == "evaluation")
    with there.database.transaction() as session:
        return any(data["level"] == level for data in session.scalars(told))


def test_jobs_survive_a_death_of_each_part(there: Scene) -> None:
    wanted = {
        "SIGKILL of a worker's child": 2,
        "SIGKILL of the API": 1,
        "FLUSHALL of the broker": 1,
        "crash and restart of Postgres": 1,
        "object store gone for 3 s": 1,
    }
    undisturbed = peace(there)
    job_ids, tally = storm(there, 12, wanted, seed=1)
    finish(there, job_ids, 1200)
    judge(there, job_ids, undisturbed)
    assert sum(tally.injected.values()) == sum(wanted.values())


@pytest.mark.slow
def test_no_acknowledged_submit_is_lost_by_crashes_of_postgres() -> None:
    with scene() as there, ThreadPoolExecutor(6) as clients:
        there.end("worker")
        over = threading.Event()

        def submit_on() -> list[str]:
            taken = []
            while not over.is_set():
                taken.append(there.submit(document(0)))
            return taken

        submitting = [clients.submit(submit_on) for _ in range(6)]
        for _ in range(10):
            time.sleep(random.uniform(0.5, 2))
            there.restart("postgres", signal.SIGQUIT)
        over.set()
        acknowledged = [job_id for client in submitting for job_id in client.result()]
        with there.database.transaction() as session:
            assert set(session.scalars(select(Job.id))) == set(acknowledged)


@pytest.mark.slow
def test_two_hundred_jobs_survive_all_faults(capsys: pytest.CaptureFixture[str]) -> None:
    wanted = dict.fromkeys(FAULTS, 3)
    wanted["SIGKILL of a worker's child"] = 12
    with scene(disk="1g") as there:
        undisturbed = peace(there)
        job_ids, tally = storm(there, 200, wanted, seed=2)
        finish(there, job_ids, 1800)
        requeued = judge(there, job_ids, undisturbed)
        assert tally.longest_wait < LONGEST_WAIT
    with capsys.disabled():
        print(tally.table(job_ids, requeued))
