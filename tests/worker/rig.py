"""A store, a broker and real worker processes for tests of faults."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil

from lth.spec.document import parse_spec
from lth.spec.plan import plan
from service.hints import Hints
from service.settings import Settings
from service.store.accounts.audit import Actor
from service.store.blobs.object_store import Blobs
from service.store.database import Database
from service.store.jobs import events, jobs, submitting
from service.store.jobs.submitting import Submission
from service.store.runs import artifacts, runs
from service.store.states import FINISHED_JOB, RunState
from service.store.tables import Event, Job, Run
from tests import ROOT

STAND_IN = "tests.worker.stand_in"
T = TypeVar("T")


def eventually(found: Callable[[], T], seconds: float = 150.0, every: float = 0.02) -> T:
    """Poll a condition until it is true; fail after a timeout."""
    until = time.monotonic() + seconds
    while not (answer := found()):
        assert time.monotonic() < until, f"{found} stayed {answer!r} for {seconds} s"
        time.sleep(every)
    return answer


@dataclass
class Rig:
    """What a test drives: it submits jobs, starts and kills processes, and looks at the store."""

    settings: Settings
    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.database = Database(self.settings.database_url)
        self.blobs = Blobs(self.settings.object_store_url)
        self.hints = Hints(self.settings.broker_url)

    def start(self, *arguments: str, **settings: Any) -> subprocess.Popen[bytes]:
        """Start ``python -m worker``, with these settings changed.

        ``test_folder`` is the folder in which it looks for what tests ask of it.
        """
        folder = settings.pop("test_folder", str(self.folder))
        values = self.settings.model_dump(mode="json", exclude_unset=True, exclude={"limits"})
        environment = {f"LTH_{k.upper()}": str(v) for k, v in {**values, **settings}.items()}
        name = f"{'beat' if 'beat' in arguments else 'worker'}-{len(self.processes)}"
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", "worker", *arguments],
                cwd=ROOT,
                env={**os.environ, **environment, "LTH_TEST_FOLDER": folder},
                stdout=log,
                stderr=log,
            )
        self.processes.append(process)
        return process

    def stop(self, process: subprocess.Popen[bytes], how: int = signal.SIGKILL) -> int:
        """End a process that this rig started, and wait until its children are gone too."""
        family = psutil.Process(process.pid).children(recursive=True) if _alive(process) else []
        for one in family:
            _send(one, signal.SIGCONT)
        process.send_signal(how)
        code = process.wait(60)
        for child in psutil.wait_procs(family, timeout=10)[1]:
            child.kill()
        self.processes.remove(process)
        return code

    def close(self) -> None:
        for process in list(self.processes):
            self.stop(process)
        self.database.close()
        self.hints.close()

    def submit(
        self, document: dict[str, Any] | None = None, owner: str = "local", **options: Any
    ) -> str:
        """Submit a spec and hint at it; ``labels`` of the stand-in may be given for short."""
        spec = parse_spec({"kind": "model", **(document or {})})
        submission = Submission(Actor(owner), spec, plan(spec), **options)
        job = submitting.submit(self.database, submission, self.settings).job
        self.hints.wake(job.pool)
        return job.id

    def job(self, job_id: str) -> Job:
        with self.database.transaction() as session:
            return jobs.get(session, job_id)

    def wait(self, job_id: str, seconds: float = 150.0) -> Job:
        """Wait until a job has finished."""
        eventually(lambda: self.job(job_id).state in FINISHED_JOB, seconds)
        return self.job(job_id)

    def runs(self, job_id: str) -> Sequence[Run]:
        with self.database.transaction() as session:
            return runs.of_job(session, job_id)

    def wait_running(self, job_id: str) -> Run:
        """Wait until a run of a job is executed, and has told how far it is."""

        def found() -> Run | None:
            there = (run for run in self.runs(job_id) if run.state is RunState.RUNNING)
            return next((run for run in there if run.progress), None)

        run = eventually(found)
        assert run is not None
        return run

    def wait_held(self, job_id: str) -> Run:
        """Wait until a run that holds (see `stand_in`) is there, and has a checkpoint."""
        eventually(lambda: self.wait_running(job_id).checkpoint_digest)
        return self.wait_running(job_id)

    def release(self, name: str) -> None:
        """Let the runs go on that hold under a name."""
        (self.folder / f"released-{name}").touch()

    def events(self, job_id: str) -> Sequence[Event]:
        with self.database.transaction() as session:
            return events.since(session, job_id, limit=100_000)

    def kinds(self, job_id: str) -> list[str]:
        return [event.kind for event in self.events(job_id)]

    def files(self, job_id: str) -> dict[str, bytes]:
        """Every artifact of a job, read back."""
        with self.database.transaction() as session:
            found = artifacts.of_job(session, job_id)
        return {artifact.name: self.blobs.get(artifact.digest) for artifact in found}

    def logs(self) -> str:
        """What the processes said."""
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("*.log")))


def pid_of(run: Run) -> int:
    """The process that executes a run."""
    assert run.worker_id is not None
    return int(run.worker_id.rsplit("/", 1)[1])


def _alive(process: subprocess.Popen[bytes]) -> bool:
    return process.poll() is None


def _send(process: psutil.Process, what: int) -> None:
    with suppress(psutil.NoSuchProcess):
        process.send_signal(what)
