"""Outlives whoever started it by a moment, to take its process group along.

`service.stack.process.group` runs it as a script. It imports only the standard library, so that it
starts at once.
It leads a process group that every process of the stack is put into, and reads standard input:

- a byte: the stack has been stopped in good order; kill what is left of the group, at once.
- the end: the parent is gone without a word (SIGKILL, a crash); ask all to end, wait, then kill.

The last act kills the keeper too, as it is in the group itself.
"""

import os
import signal
import sys
import time

GRACE_SECONDS = 3.0
"""Time for Postgres and Valkey to write what they hold, once the parent is gone."""


def main() -> None:
    """Wait for the parent's word or end."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    group = os.getpgrp()
    if group != os.getpid():
        sys.exit("the keeper must lead its own process group")
    if not sys.stdin.buffer.read(1):
        os.killpg(group, signal.SIGINT)  # Postgres: fast shutdown; the others: an orderly end
        time.sleep(GRACE_SECONDS)
    os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
