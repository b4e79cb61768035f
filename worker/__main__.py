"""``python -m worker`` starts this machine's workers, ``python -m worker beat`` the sweeper."""

import os
import sys

from worker.devices import TOLD, DeviceSilent


def main(arguments: list[str]) -> None:
    """Run Celery's worker or beat in this process, until it is told to stop."""
    sweeps = arguments[:1] == ["beat"]
    if sweeps:
        os.environ[TOLD] = "[]"  # it needs no GPU, so none that fails keeps it from its work
    try:
        from worker.app import app
    except DeviceSilent as error:
        sys.exit(f"this worker cannot start: {error}")
    if sweeps:
        app.start(["beat", "--pidfile=", *arguments[1:]])
    else:
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        app.worker_main(["worker", *quiet, *arguments])


if __name__ == "__main__":
    main(sys.argv[1:])
