"""Kills the process group of a stack after its parent has ended.

`service.stack.process.group` runs it as a script. It imports only the standard library, so that it
starts quickly. It leads the process group of the stack, and reads standard input:

- a byte: the stack has stopped; kill the remaining processes of the group at once.
- the end: the parent was killed or crashed; ask all processes to end, wait, then kill them.

Finally it kills itself, because it is in the group.
"""

import os
import signal
import sys
import time

GRACE_SECONDS = 3.0
"""Seconds for Postgres and Valkey to write their data after the parent has ended."""


def main() -> None:
    """Wait for a byte or for the end of the input."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    group = os.getpgrp()
    if group != os.getpid():
        sys.exit("the group killer must lead its own process group")
    if not sys.stdin.buffer.read(1):
        os.killpg(group, signal.SIGINT)  # Postgres: fast shutdown; the others: an orderly end
        time.sleep(GRACE_SECONDS)
    os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
