"""An idle child reports its state, and ends when necessary."""

import threading
import time
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from lth.datasets import present
from service.store.tables import WorkerState
from tests.worker.gpus import TWO
from tests.worker.steps import registered
from worker.child.child import Child
from worker.process import idle


@pytest.fixture(autouse=True)
def ended(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set when this process would have ended; the thread ends instead."""
    ended = threading.Event()

    def end(code: int) -> None:
        ended.set()
        raise SystemExit(code)

    monkeypatch.setattr(idle.os, "_exit", end)
    monkeypatch.setattr(idle, "_REPORT_SECONDS", 0.0)
    return ended


def watch(child: Child) -> threading.Thread:
    """Run the idle thread until the child ends."""

    def watched() -> None:
        with suppress(SystemExit):
            idle._watch(child)

    thread = threading.Thread(target=watched)
    thread.start()
    return thread


def test_an_idle_child_reports_its_state(child: Child, tmp_path: Path) -> None:
    idle._check(child)
    there = registered(child)
    assert there is not None
    assert there.state is WorkerState.IDLE

    assert there.detail["datasets"] == present(None)

    child.trouble = "no GPU"
    child.settings = child.settings.model_copy(update={"datasets_dir": tmp_path})
    (tmp_path / "mnist.npz").touch()
    idle._check(child)
    there = registered(child)
    assert there is not None
    assert "mnist" in there.detail["datasets"]
    assert (there.state, there.detail["why"]) == (WorkerState.REFUSING, "no GPU")


def test_a_defect_is_logged_and_does_not_end_the_idle_thread(
    child: Child,
    ended: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    looked = threading.Semaphore(0)

    def fail() -> str:
        looked.release()
        raise KeyError("defect")

    monkeypatch.setattr(child, "refusal", fail)
    thread = watch(child)
    assert all(looked.acquire(timeout=60) for _ in range(3))
    child.must_be_replaced.set()
    thread.join(60)
    assert ended.is_set()
    assert "KeyError: 'defect'" in caplog.text


def test_a_busy_child_does_not_end(child: Child, ended: threading.Event) -> None:
    with child.busy:
        child.must_be_replaced.set()
        thread = watch(child)
        assert not ended.wait(0.2)
    thread.join(60)
    assert ended.is_set()


@pytest.mark.parametrize("why", ["must_be_replaced", "draining"])
def test_a_draining_child_ends_when_it_is_idle(child: Child, why: str) -> None:
    getattr(child, why).set()
    with pytest.raises(SystemExit):
        idle._check(child)


@pytest.mark.parametrize(
    ("of", "due"),
    [
        ({}, False),
        ({"used_device": True}, False),
        ({"gpu": TWO[0]}, False),
        ({"gpu": TWO[0], "used_device": True}, True),
        ({"gpu": TWO[0], "trouble": "it is lost"}, True),
    ],
)
def test_only_a_child_that_holds_or_cannot_use_a_gpu_is_recycled(
    child: Child, of: dict[str, object], due: bool
) -> None:
    child = replace(child, **of)
    seconds = child.settings.idle_recycle_seconds
    assert not idle.must_recycle(child, child.idle_since + seconds)
    assert idle.must_recycle(child, child.idle_since + seconds + 1) is due


@pytest.mark.parametrize(
    ("of", "most", "ends"),
    [({}, 0, True), ({}, 10**12, False), ({"gpu": TWO[0]}, 0, False)],
)
def test_a_child_that_still_uses_much_memory_after_a_run_ends(
    child: Child, of: dict[str, object], most: int, ends: bool
) -> None:
    """A child with a GPU would end after its first run, because CUDA's libraries stay loaded."""
    settings = child.settings.model_copy(update={"idle_memory_bytes": most})
    child = replace(child, **of, settings=settings, ran_at=time.monotonic())
    idle._check(child)
    assert child.ran_at is not None, "another run may follow soon"
    child.ran_at -= 2 * idle._RELEASE_SECONDS
    with pytest.raises(SystemExit) if ends else nullcontext():
        idle._check(child)
    assert child.ran_at is None
