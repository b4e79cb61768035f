"""A run that takes too much memory ends alone: its neighbour and its worker go on.

The kernel kills in a real control group. Where a test may not create one, the address space is
bounded instead, and an allocation fails.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.store.jobs.queue_position import outlook
from service.store.states import JobState, Reason
from service.store.tables import Worker
from service.store.workers import workers as registry
from tests.lth.wide import GIB, WIDE_NETWORK
from tests.worker.memory_group import MemoryGroup, bound, memory_group
from tests.worker.rig import Rig, eventually, pid_of

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

WIDE: dict[str, Any] = {
    "network": WIDE_NETWORK,
    "training": {"batch_size": 200, "duration": "2ep"},
}
"""One layer has 3 GB of outputs for a batch."""
STEADY: dict[str, Any] = {"training": {"duration": "40ep"}, "seed": 5, "plots": "none"}


@pytest.fixture(scope="module")
def group() -> Iterator[MemoryGroup | None]:
    with memory_group(GIB) as group:
        yield group


@pytest.fixture(scope="module")
def bounded(rig: Rig, group: MemoryGroup | None) -> Iterator[Rig]:
    """The rig with a worker of two children in 1 GiB, which they believe to be much more."""
    worker = rig.start(machine_memory=1000 * GIB)
    bound(group, worker.pid, 4 * GIB if group is None else GIB)
    beat = rig.start("beat")
    eventually(lambda: len(registered(rig)) == 2)
    yield rig
    for process in (worker, beat):
        rig.stop(process)


def registered(rig: Rig) -> list[Worker]:
    with rig.database.transaction() as session:
        return list(registry.all_of_them(session))


def test_a_run_without_memory_ends_as_out_of_memory_and_its_neighbour_goes_on(
    bounded: Rig, group: MemoryGroup | None
) -> None:
    undisturbed = bounded.wait(bounded.submit({"labels": {"levels": "4"}}))
    steady = bounded.submit({"labels": {"levels": "4", "hold": "steady"}})
    neighbour = pid_of(bounded.wait_held(steady))

    greedy = bounded.wait(bounded.submit({"labels": {"eat": "yes"}}))
    bounded.release("steady")

    assert bounded.wait(steady).state is JobState.SUCCEEDED
    [run] = bounded.runs(steady)
    assert (run.attempt, pid_of(run)) == (1, neighbour)
    assert bounded.files(steady) == bounded.files(undisturbed.id)
    assert greedy.failure is not None
    assert greedy.failure["reason"] == Reason.OUT_OF_MEMORY
    assert "memory" in greedy.failure["message"]
    [run] = bounded.runs(greedy.id)
    assert run.failure_reason is Reason.OUT_OF_MEMORY
    if group is None:
        assert run.attempt == 1, "it was told that there is no memory"
    else:
        assert (run.attempt, run.losses) == (2, 2)
        assert group.kills() == 2
        assert "the kernel killed its process" in greedy.failure["message"]
        assert bounded.kinds(greedy.id).count("run_requeued") == 1
    assert bounded.processes[0].poll() is None, "the parent of the children lives"


def test_a_child_is_more_likely_to_be_killed_than_its_parent(bounded: Rig) -> None:
    def score(pid: int) -> int:
        return int(Path(f"/proc/{pid}/oom_score_adj").read_text())

    eventually(lambda: len(registered(bounded)) == 2)
    parent = bounded.processes[0].pid
    children = [one.pid for one in registered(bounded)]
    assert all(score(pid) > score(parent) for pid in children)


def test_a_worker_in_a_group_registers_its_share_and_leaves_larger_runs(rig: Rig) -> None:
    with memory_group(3 * GIB) as group:
        settings = {} if group else {"machine_memory": 3 * GIB}
        worker = rig.start(worker_pools="small", worker_processes=2, **settings)
        bound(group, worker.pid, 30 * GIB if group is None else GIB)

        def shares() -> list[int | None]:
            return [one.memory_total for one in registered(rig) if "small" in one.pools]

        eventually(lambda: len(shares()) == 2)
        assert shares() == [3 * GIB // 2] * 2
        large = rig.submit(WIDE, pool="small")
        assert rig.wait(rig.submit(pool="small")).state is JobState.SUCCEEDED
        with rig.database.transaction() as session:
            queue = outlook(session, rig.job(large)).queue
        assert queue is not None
        assert (queue.workers, queue.largest) == (0, 3 * GIB // 2)
        assert queue.needs > 3 * GIB
        assert rig.job(large).state is JobState.QUEUED
        rig.stop(worker)


def test_a_wide_network_ends_as_out_of_memory_while_a_real_training_keeps_its_bytes(
    rig: Rig,
) -> None:
    with memory_group(3 * GIB) as group:
        worker = rig.start(
            worker_pools="real", execution="lth.study.execution", machine_memory=1000 * GIB
        )
        bound(group, worker.pid, 12 * GIB if group is None else GIB)
        undisturbed = rig.wait(rig.submit(STEADY, pool="real"), 600)
        assert undisturbed.state is JobState.SUCCEEDED
        wide = rig.submit(WIDE, pool="real")
        steady = [rig.submit({**STEADY, "name": str(n)}, pool="real") for n in range(3)]

        ended = rig.wait(wide, 600)

        assert ended.failure is not None
        assert ended.failure["reason"] == Reason.OUT_OF_MEMORY, ended.failure
        assert rig.runs(wide)[0].attempt <= 2
        for job_id in steady:
            assert rig.wait(job_id, 600).state is JobState.SUCCEEDED
            [run] = rig.runs(job_id)
            assert run.attempt == 1
            assert arrays(rig, job_id) == arrays(rig, undisturbed.id)
        assert worker.poll() is None
        rig.stop(worker)


def arrays(rig: Rig, job_id: str) -> dict[str, bytes]:
    """The masks and weights of a job, by name."""
    return {name: data for name, data in rig.files(job_id).items() if name.endswith(".npz")}
