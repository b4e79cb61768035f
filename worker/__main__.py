"""``python -m worker`` starts the workers of this machine, ``python -m worker beat`` the sweeper.

``python -m worker healthy worker`` and ``python -m worker healthy beat`` exit with 0 if the worker
or the beat of this container has recently updated its health file.
"""

import os
import sys

from lth.core.extensions import BadExtension
from service.liveness import LONGEST_SILENCE, Pulse
from service.process_environment import use_known_environment
from service.settings import Settings
from worker.child.devices import GPUS_VARIABLE
from worker.child.gpus import DriverFailed


def main(arguments: list[str]) -> None:
    """Run Celery's worker or beat in this process until a signal stops it."""
    if arguments[:1] == ["healthy"]:
        sys.exit(_complaint(arguments[1]))
    use_known_environment()
    sweeps = arguments[:1] == ["beat"]
    if sweeps:
        os.environ[GPUS_VARIABLE] = "[]"  # it needs no GPU, so a failed GPU must not stop it
    try:
        import lth.spec.document  # noqa: F401 a wrong extension must stop it before it claims a run
        from worker.process.app import app
    except (BadExtension, DriverFailed) as error:
        sys.exit(f"this worker cannot start: {error}")
    if sweeps:
        app.start(["beat", "--pidfile=", *arguments[1:]])
    else:
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        app.worker_main(["worker", *quiet, *arguments])


def _complaint(name: str) -> str | None:
    """The problem of a process of this container; None if it is healthy."""
    folder = Settings().health_dir
    if folder is None:
        return "LTH_HEALTH_DIR is not set, so the health of this process is unknown"
    silence = Pulse(name, folder).silence()
    if silence is None:
        return f"the {name} has given no sign of life yet"
    if silence > LONGEST_SILENCE:
        return f"the {name} has been silent for {silence:.0f} s; at most {LONGEST_SILENCE:.0f} s"
    return None


if __name__ == "__main__":
    main(sys.argv[1:])
