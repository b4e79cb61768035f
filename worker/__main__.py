"""``python -m worker`` starts this machine's workers, ``python -m worker beat`` the sweeper."""

import sys

from worker.app import app


def main(arguments: list[str]) -> None:
    """Run Celery's worker or beat in this process, until it is told to stop."""
    if arguments[:1] == ["beat"]:
        app.start(["beat", "--pidfile=", *arguments[1:]])
    else:
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        app.worker_main(["worker", *quiet, *arguments])


if __name__ == "__main__":
    main(sys.argv[1:])
