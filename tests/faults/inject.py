"""The faults. Each one damages a running stack, and repairs it if the stack cannot."""

import random
import signal
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from sqlalchemy import select

from service.hints import WORK, Hints
from service.stack.verify import verify
from service.store.states import RunState
from service.store.tables import Artifact, Run
from tests.faults.scene import Scene
from tests.worker import pauses
from tests.worker.memory_group import memory_group
from tests.worker.relay import relayed
from tests.worker.rig import eventually

LONGEST_WAIT = 10.0
"""Seconds that a healthy process may wait for a lock of another one."""
_UNLIMITED = 1 << 60

Fault = Callable[[Scene, random.Random], bool]
"""Injects a fault; returns False if it is not possible on this machine."""


def kill_child(scene: Scene, chance: random.Random) -> bool:
    with suppress(psutil.NoSuchProcess):
        _busy_child(scene, chance).kill()
    return True


def kill_for_memory(scene: Scene, chance: random.Random) -> bool:
    """Leave the worker so little memory that the kernel kills its largest child.

    Possible only if a control group can be created. A run may be killed for memory only twice, so
    it waits until no run is left that was killed before.
    """
    with memory_group() as group:
        if group is None:
            return False
        eventually(lambda: not _killed_for_memory(scene), 600)
        _busy_child(scene, chance)
        group.add_family(scene.children["worker"].pid)
        time.sleep(0.5)  # the parent counts the kills in this group from now on
        group.starve()
        eventually(group.kills, 60, every=0.001)
        group.limit(_UNLIMITED)
        time.sleep(1)  # the parent notices the death while it is in this group
    return True


def _killed_for_memory(scene: Scene) -> bool:
    with scene.database.transaction() as session:
        unfinished = Run.state.in_([RunState.QUEUED, RunState.RUNNING])
        found = select(Run.id).where(unfinished, Run.killed_with_memory.is_not(None)).limit(1)
        return session.scalar(found) is not None


def kill_worker(scene: Scene, chance: random.Random) -> bool:
    scene.restart("worker")
    return True


def kill_beat(scene: Scene, chance: random.Random) -> bool:
    scene.restart("beat")
    return True


def kill_api(scene: Scene, chance: random.Random) -> bool:
    scene.end("api")
    time.sleep(chance.random())
    scene.start("api")
    return True


def flush_broker(scene: Scene, chance: random.Random) -> bool:
    with scene.broker() as broker:
        broker.flushall()
    return True


def restart_broker(scene: Scene, chance: random.Random) -> bool:
    scene.end("valkey")
    time.sleep(2 * chance.random())
    scene.start("valkey")
    return True


def crash_postgres(scene: Scene, chance: random.Random) -> bool:
    scene.restart("postgres", signal.SIGQUIT)
    return True


def pause_past_the_lease(scene: Scene, chance: random.Random) -> bool:
    paused = _busy_child(scene, chance)
    with suppress(psutil.NoSuchProcess):
        paused.suspend()
        time.sleep(scene.settings.lease_seconds + 2 * scene.settings.sweep_seconds)
        paused.resume()
    return True


def hint_a_hundred_times(scene: Scene, chance: random.Random) -> bool:
    hints = Hints(scene.settings.broker_url)
    for _ in range(100):
        hints._app.send_task(WORK, queue="lth.cpu", ignore_result=True)
    hints.close()
    return True


def lose_the_object_store(scene: Scene, chance: random.Random) -> bool:
    """Replace the folder by a file, so that every access fails.

    Nobody may write just then: the folder would be made anew, and be in the way.
    """
    folder = scene.blob_folder
    aside = folder.with_name("blobs-aside")
    with scene.held_still():
        folder.rename(aside)
        folder.write_text("no folder")
    time.sleep(3)
    with scene.held_still():
        folder.unlink()
        aside.rename(folder)
    return True


def fill_the_disk(scene: Scene, chance: random.Random) -> bool:
    """Possible only if the blobs are on their own small file system."""
    if not scene.blob_folder.parent.is_mount():
        return False
    filler = scene.blob_folder / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * (1 << 20))
    time.sleep(3)
    filler.unlink()
    return True


def exhaust_descriptors(scene: Scene, chance: random.Random) -> bool:
    """Let idle connections use all remaining file descriptors of the API for 3 s."""
    api = psutil.Process(scene.children["api"].pid)
    soft, hard = api.rlimit(psutil.RLIMIT_NOFILE)
    with ExitStack() as stack:
        api.rlimit(psutil.RLIMIT_NOFILE, (api.num_fds() + 20, hard))
        for _ in range(100):
            with suppress(OSError):
                connection = socket.create_connection(("127.0.0.1", scene.port), 1)
                stack.enter_context(closing(connection))
        time.sleep(3)
    api.rlimit(psutil.RLIMIT_NOFILE, (soft, hard))
    return True


def stop_inside_a_claim(scene: Scene, chance: random.Random) -> bool:
    return _stop_inside(scene, "claim")


def stop_inside_a_progress_write(scene: Scene, chance: random.Random) -> bool:
    return _stop_inside(scene, "progress")


def stop_inside_a_commit(scene: Scene, chance: random.Random) -> bool:
    return _stop_inside(scene, "commit")


def cut_off_inside_a_claim(scene: Scene, chance: random.Random) -> bool:
    """Cut the host of a second worker from the network during a claim, for ever."""
    with TemporaryDirectory() as name, relayed(scene.settings.database_url) as (address, relay):
        folder = Path(name)
        scene.start_worker("far", LTH_DATABASE_URL=address, LTH_TEST_FOLDER=name)
        pid = _asked(folder, "claim")
        relay.cut()
        scene.end("far")
        if pid is not None:
            time.sleep(LONGEST_WAIT)
    return True


def hang_the_broker(scene: Scene, chance: random.Random) -> bool:
    """Pause the broker for longer than the timeouts of its clients; connections stay open."""
    broker = psutil.Process(scene.children["valkey"].pid)
    broker.suspend()
    time.sleep(5)
    broker.resume()
    return True


def damage_a_blob(scene: Scene, chance: random.Random) -> bool:
    return _spoil(scene, chance, lambda path: path.write_bytes(bytes(path.stat().st_size)))


def lose_a_blob(scene: Scene, chance: random.Random) -> bool:
    return _spoil(scene, chance, Path.unlink)


def _stop_inside(scene: Scene, point: str) -> bool:
    """Pause a child inside a transaction, until Postgres has ended its session."""
    if (pid := _asked(scene.folder, point)) is not None:
        time.sleep(LONGEST_WAIT)
        with suppress(ProcessLookupError):
            pauses.resume(pid)
    return True


def _asked(folder: Path, point: str) -> int | None:
    """The process of a child that paused at a point; None if no child reached it."""
    pauses.ask(folder, point)
    with suppress(AssertionError):
        return pauses.wait(folder, point, 60)
    return None if pauses.withdraw(folder, point) else pauses.wait(folder, point)


def _spoil(scene: Scene, chance: random.Random, spoil: Callable[[Path], object]) -> bool:
    """Damage or delete the file of a used blob; then run `lth verify`.

    A run that saves the same content meanwhile repairs it first.
    """
    with scene.database.transaction() as session:
        digests = session.scalars(select(Artifact.digest).order_by(Artifact.digest)).all()
    if digests:
        digest = chance.choice(digests)
        spoil(scene.blob_folder / digest[:2] / digest)
        verify(scene.settings, requeue=True)
    return True


def _busy_child(scene: Scene, chance: random.Random) -> psutil.Process:
    """A child that executes a run; any child if none is busy for a while."""

    def busy() -> list[psutil.Process]:
        with scene.database.transaction() as session:
            running = session.scalars(select(Run.worker_id).where(Run.state == RunState.RUNNING))
            pids = {int((worker or "/0").rsplit("/", 1)[1]) for worker in running}
        return [child for child in scene.pool_children() if child.pid in pids]

    with suppress(AssertionError):
        return chance.choice(eventually(busy, 20))
    return chance.choice(eventually(scene.pool_children))


FAULTS: dict[str, Fault] = {
    "child stopped inside a claim": stop_inside_a_claim,
    "child stopped inside a progress write": stop_inside_a_progress_write,
    "child stopped inside a commit": stop_inside_a_commit,
    "host cut off inside a claim": cut_off_inside_a_claim,
    "broker hangs for 5 s": hang_the_broker,
    "a blob damaged": damage_a_blob,
    "a blob missing": lose_a_blob,
    "SIGKILL of a worker's child": kill_child,
    "kill of a worker's child for memory": kill_for_memory,
    "SIGKILL of a worker's parent": kill_worker,
    "SIGKILL of beat": kill_beat,
    "SIGKILL of the API": kill_api,
    "FLUSHALL of the broker": flush_broker,
    "crash and restart of the broker": restart_broker,
    "crash and restart of Postgres": crash_postgres,
    "child paused past its lease": pause_past_the_lease,
    "a hundred hints too many": hint_a_hundred_times,
    "object store gone for 3 s": lose_the_object_store,
    "blob folder's disk full for 3 s": fill_the_disk,
    "file descriptors of the API exhausted for 3 s": exhaust_descriptors,
}
