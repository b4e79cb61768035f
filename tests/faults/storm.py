"""Injects faults into a stack with running jobs, and checks the jobs afterwards."""

import random
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select, text

from service.store.database import UNAVAILABLE
from service.store.jobs import jobs
from service.store.runs import artifacts, runs
from service.store.states import FINISHED_JOB, JobState, RunState
from service.store.tables import Event, Run
from tests.faults.inject import FAULTS
from tests.faults.scene import Scene
from tests.worker.rig import eventually

SEEDS = 5
_PACE = 4.0
"""Most seconds between two submissions during the faults, so that each fault disturbs a run."""
_WAITS = text(
    """
    SELECT max(extract(epoch FROM clock_timestamp() - query_start))::float
    FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
    """
)


def document(number: int) -> dict[str, Any]:
    """One of a few specs; each can be compared with its undisturbed result."""
    return {
        "kind": "model",
        "name": f"job {number}",
        "seed": number % SEEDS,
        "plots": "none",
        "training": {"duration": "20ep"},
        "pruning": {"schedule": {"kind": "geometric", "fraction": 0.5, "rounds": 3}},
    }


def arrays(there: Scene, job_id: str) -> dict[str, str]:
    """The digests of the masks and weights of a job, by name."""
    with there.database.transaction() as session:
        found = artifacts.of_job(session, job_id)
    return {a.name: a.digest for a in found if a.name.endswith(".npz")}


def finish(there: Scene, job_ids: list[str], seconds: float) -> None:
    def unfinished() -> list[str]:
        with there.database.transaction() as session:
            return [j for j in job_ids if jobs.get(session, j).state not in FINISHED_JOB]

    eventually(lambda: not unfinished(), seconds, every=0.5)


@dataclass
class Tally:
    """The injected faults and their effects."""

    injected: Counter[str] = field(default_factory=Counter)
    impossible: set[str] = field(default_factory=set)
    longest_wait: float = 0.0
    """Seconds that any session waited for a lock."""

    def table(self, job_ids: list[str], requeued: int) -> str:
        lines = [f"  {count:4}  {name}" for name, count in sorted(self.injected.items())]
        lines += [f"     -  {name} (not possible here)" for name in sorted(self.impossible)]
        return "\n".join(
            [
                "",
                "injected:",
                *lines,
                f"survived: {len(job_ids)} jobs of {len(job_ids)}, each run with one result,",
                f"  all bytes as if undisturbed; {requeued} attempts were given to another worker;",
                f"  the longest wait for a lock took {self.longest_wait:.1f} s",
            ]
        )


def storm(there: Scene, total: int, wanted: dict[str, int], seed: int) -> tuple[list[str], Tally]:
    """Submit jobs during the faults; returns after the last fault and the last submission."""
    chance = random.Random(seed)
    tally = Tally()
    order = [name for name, count in wanted.items() for _ in range(count)]
    chance.shuffle(order)
    calm = threading.Event()

    def strike() -> None:
        for name in order:
            calm.wait(chance.uniform(0.5, 3.0))
            if FAULTS[name](there, chance):
                tally.injected[name] += 1
            else:
                tally.impossible.add(name)

    failed: list[BaseException] = []

    def strike_or_say_why() -> None:
        try:
            strike()
        except BaseException as error:
            failed.append(error)

    def watch() -> None:
        while not over.wait(0.2):
            with suppress(*UNAVAILABLE), there.database.statement() as connection:
                tally.longest_wait = max(tally.longest_wait, connection.scalar(_WAITS) or 0.0)

    over = threading.Event()
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    striker = threading.Thread(target=strike_or_say_why)
    striker.start()
    pace = threading.Event()
    job_ids = []
    for number in range(total):
        job_ids.append(there.submit(document(number)))
        pace.wait(chance.uniform(0, _PACE if striker.is_alive() else 0.3))
    striker.join()
    over.set()
    watcher.join()
    assert not failed, failed
    return job_ids, tally


def judge(there: Scene, job_ids: list[str], undisturbed: dict[int, dict[str, str]]) -> int:
    """Check that every job succeeded once with the right bytes; returns lost attempts."""
    for number, job_id in enumerate(job_ids):
        with there.database.transaction() as session:
            job = jobs.get(session, job_id)
            assert job.state is JobState.SUCCEEDED, (job_id, job.failure)
            assert [run.state for run in runs.of_job(session, job_id)] == [RunState.SUCCEEDED]
            ((_, result),) = runs.results(session, job_id)
            assert not result.partial
            assert [level.level for level in result.levels] == list(range(len(result.levels)))
            ends = select(func.count()).where(Event.job_id == job_id, Event.kind == "run_succeeded")
            again = select(func.count()).where(
                Event.job_id == job_id, Event.data["why"].astext == "its files are damaged"
            )
            assert session.scalar(ends) == 1 + (session.scalar(again) or 0)
        assert arrays(there, job_id) == undisturbed[number % SEEDS]
        for digest in arrays(there, job_id).values():
            there.blobs.get(digest)
    with there.database.transaction() as session:
        return int(session.scalar(select(func.sum(Run.attempt - 1))) or 0)


def peace(there: Scene) -> dict[int, dict[str, str]]:
    """The digests of the arrays of each spec without faults."""
    job_ids = [there.submit(document(number)) for number in range(SEEDS)]
    finish(there, job_ids, 1200)
    return {number: arrays(there, job_id) for number, job_id in enumerate(job_ids)}
