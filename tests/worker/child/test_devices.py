"""GPUs with a stand-in for NVML: one child for each, selected, shared politely, and recycled."""

import json
import os
from pathlib import Path

import psutil
import pytest
from sqlalchemy import select

from service.store.states import JobState, Reason, RunState
from service.store.tables import Run, Worker, WorkerState
from service.store.workers import workers
from tests.worker.gpus import GIB, SILENT, TWO
from tests.worker.rig import Rig, eventually, pid_of
from worker.child.devices import gpu_of, pin, refusal, slots_of
from worker.child.gpus import GpuMemory

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def usage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gpus") / "usage.json"


@pytest.fixture(scope="module")
def gpus(rig: Rig, usage: Path) -> Rig:
    """The rig with a worker that finds two fake GPUs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LTH_TEST_NVML", "tests.worker.gpus:machine")
        patch.setenv("LTH_TEST_GPU_USAGE", str(usage))
        patch.setenv("LTH_TEST_GPU_TROUBLE", str(usage.with_name("trouble")))
        rig.start(worker_processes=8, idle_recycle_seconds=1)
        rig.start("beat")
    eventually(lambda: len(registered(rig)) == 2)
    return rig


def say(file: Path, text: str) -> None:
    """Write a file atomically, because a worker may read it at any moment."""
    new = file.with_suffix(".new")
    new.write_text(text)
    new.rename(file)


def registered(rig: Rig) -> list[Worker]:
    with rig.database.transaction() as session:
        return list(workers.all_of_them(session))


def test_a_gpu_has_one_child_and_a_core_without_gpus_has_one() -> None:
    assert slots_of(None, TWO, GIB) == 2
    assert slots_of(1, TWO, GIB) == 1
    assert slots_of(8, TWO, GIB) == 2, "two runs on one GPU would take each other's memory"
    assert slots_of(3, (), GIB) == 3
    assert [gpu_of(slot, TWO) for slot in (0, 1)] == list(TWO)
    assert gpu_of(0, ()) is None


def test_a_gpu_filled_by_other_processes_is_refused() -> None:
    mine, other = 7, 8
    full = GpuMemory(13 * GIB, {mine: 4 * GIB, other: 9 * GIB})

    assert refusal(TWO[0], full, mine, 0.6) is None
    said = refusal(TWO[0], full, mine, 0.5)
    assert said is not None
    assert "9.0 of 16.0 GiB" in said
    assert "gpu_foreign_share" in said


def test_a_child_sees_only_its_gpu_and_allocates_memory_on_demand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("CUDA_VISIBLE_DEVICES", "TF_FORCE_GPU_ALLOW_GROWTH"):
        monkeypatch.setenv(name, "")
    pin(None)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "-1", "'' would leave it all of them"
    pin(TWO[1])
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "GPU-b"
    assert os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"


def test_each_child_is_listed_with_a_gpu_of_its_own(gpus: Rig) -> None:
    there = registered(gpus)

    assert {one.device for one in there} == {"Test GPU A", "Test GPU B"}
    assert all(one.pools == ["gpu"] for one in there)
    assert all(one.memory_total == 16 * GIB for one in there)


def test_a_job_sees_only_its_gpu_and_the_idle_child_is_recycled(
    gpus: Rig,
) -> None:
    before = {one.pid for one in registered(gpus)}

    job_id = gpus.submit({"labels": {"show": "CUDA_VISIBLE_DEVICES"}}, pool="gpu")
    assert gpus.wait(job_id).state is JobState.SUCCEEDED

    [run] = gpus.runs(job_id)
    assert run.log_digest is not None
    log = gpus.blobs.get(run.log_digest).decode()
    assert "CUDA_VISIBLE_DEVICES=GPU-a" in log or "CUDA_VISIBLE_DEVICES=GPU-b" in log
    used = int((run.worker_id or "").rsplit("/", 1)[1])
    assert used in before
    eventually(lambda: not psutil.pid_exists(used))
    eventually(lambda: len(registered(gpus)) == 2 and used not in {w.pid for w in registered(gpus)})


def test_no_run_is_claimed_while_other_programs_fill_the_gpus(gpus: Rig, usage: Path) -> None:
    say(usage, json.dumps({gpu.uuid: {"1": 15} for gpu in TWO}))
    eventually(lambda: {one.state for one in registered(gpus)} == {WorkerState.REFUSING})

    job_id = gpus.submit(pool="gpu")
    eventually(
        lambda: any("other programs use" in str(one.detail.get("why")) for one in registered(gpus))
    )
    assert gpus.runs(job_id)[0].state is RunState.QUEUED

    say(usage, "{}")
    assert gpus.wait(job_id).state is JobState.SUCCEEDED


def test_a_failed_driver_loses_no_run_and_starts_none(gpus: Rig, usage: Path) -> None:
    job_id = gpus.submit({"labels": {"levels": "4", "seconds": "1"}}, pool="gpu")
    gpus.wait_running(job_id)
    say(usage, SILENT)

    assert gpus.wait(job_id).state is JobState.SUCCEEDED
    [run] = gpus.runs(job_id)
    assert run.attempt == 1
    assert f"{run.worker_id} is lost" not in gpus.logs()
    waiting = gpus.submit(pool="gpu")
    refusing = {f"the memory of {gpu.name} cannot be read: the GPU is lost" for gpu in TWO}
    eventually(lambda: {one.detail.get("why") for one in registered(gpus)} == refusing)
    assert gpus.runs(waiting)[0].state is RunState.QUEUED

    say(usage, "{}")
    assert gpus.wait(waiting).state is JobState.SUCCEEDED


def test_a_gpu_that_does_not_compute_requeues_its_first_run_and_is_retried(
    gpus: Rig, usage: Path
) -> None:
    trouble = usage.with_name("trouble")
    say(trouble, "CUDNN_STATUS_NOT_INITIALIZED")
    with gpus.database.transaction() as session:
        used = session.scalars(select(Run.worker_id).where(Run.worker_id.is_not(None))).all()
    eventually(lambda: not {one.id for one in registered(gpus)} & set(used))

    job_id = gpus.submit(pool="gpu")
    eventually(lambda: "CUDNN" in str([one.detail.get("why") for one in registered(gpus)]))
    given_back = next(one for one in gpus.events(job_id) if one.kind == "run_requeued")
    assert given_back.data["why"] == trouble.read_text()

    trouble.unlink()
    assert gpus.wait(job_id).state is JobState.SUCCEEDED
    assert gpus.runs(job_id)[0].losses == 0, "it was not to blame"


def test_a_run_that_fails_with_its_gpu_is_lost_and_the_process_with_it(
    gpus: Rig, usage: Path
) -> None:
    trouble = usage.with_name("trouble")

    job_id = gpus.submit({"labels": {"hold": "gpu", "fail": "gpu"}}, pool="gpu")
    run = gpus.wait_running(job_id)
    gpus.release("gpu")
    eventually(lambda: gpus.runs(job_id)[0].losses)

    eventually(lambda: not psutil.pid_exists(pid_of(run)))
    lost = next(event for event in gpus.events(job_id) if event.kind == "run_requeued")
    assert lost.data["why"] == "an illegal memory access"
    trouble.unlink()
    assert gpus.wait(job_id).state is JobState.SUCCEEDED


def test_a_run_out_of_memory_on_a_gpu_that_others_fill_is_lost_not_failed(
    gpus: Rig, usage: Path
) -> None:
    job_id = gpus.submit({"labels": {"hold": "memory", "fail": "memory"}}, pool="gpu")
    own = pid_of(gpus.wait_running(job_id))
    say(usage, json.dumps({gpu.uuid: {"1": 15, str(own): 0.5} for gpu in TWO}))
    gpus.release("memory")

    eventually(lambda: gpus.runs(job_id)[0].losses == 1)
    assert gpus.runs(job_id)[0].state is RunState.QUEUED

    say(usage, "{}")
    job = gpus.wait(job_id)
    assert job.failure is not None
    assert job.failure["reason"] == Reason.OUT_OF_MEMORY, "now it alone is to blame"
