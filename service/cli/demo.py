"""`make demo`: starts a whole service for one experiment, from the spec to plots on disk."""

import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lth.cli.screen import put, put_table
from lth.cli.tables import level_table
from lth.cli.watching import show_events
from lth.client import Client
from lth.client.documents import read_document
from lth.client.local_stack import Running
from lth.results.artifacts import JOB
from service.cli.narrating import ScreenNarrator
from service.stack.data_directory import DataDirectory
from service.stack.starting import Options
from service.stack.up import stack


class _DemoNarrator(ScreenNarrator):
    """Prints no usage, because the stack stops soon."""

    def ready(self, running: Running) -> None:
        """Report that the stack is ready."""
        self.say("ready")


def demo(spec: Path, folder: Path) -> None:
    """Start a stack in a temporary data directory, run a spec through its API, and stop the stack.

    `folder` gets the files of the job's first experiment, and in `comparison` the files that
    compare experiments.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="lth-demo-") as directory:
        data = DataDirectory(Path(directory))
        narrator = _DemoNarrator(data)
        with (
            stack(Options(data, port=0, workers=1), narrator) as (supervisor, running),
            ThreadPoolExecutor(1) as executor,
        ):
            experiment = executor.submit(_experiment, running, data, spec, folder)
            supervisor.watch(until=experiment.done)
            experiment.result()
    put(f"done in {time.monotonic() - began:.0f} s; masks, weights and plots are in {folder}/")


def _experiment(running: Running, data: DataDirectory, spec: Path, folder: Path) -> None:
    with Client(running.server, data.read_admin_key()) as client:
        submitted = client.submit(read_document(spec))
        put(f"job {submitted.id}")
        show_events(client.events(submitted.id))
        job = client.wait(submitted.id)
        results = client.results(job.id)
        put_table(level_table(results))
        for artifact in client.artifacts(job.id):
            for run, subfolder in ((results.results[0].run, ""), (JOB, "comparison/")):
                if artifact.name.startswith(f"{run}/"):
                    short = subfolder + artifact.name.removeprefix(f"{run}/")
                    client.download(artifact.model_copy(update={"name": short}), folder)


if __name__ == "__main__":
    demo(Path(sys.argv[1]), Path(sys.argv[2]))
