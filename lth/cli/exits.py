"""What ``lth`` exits with: a contract with scripts and CI."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes; 1 is also what a crash of Python gives."""

    OK = 0
    FAILED = 1
    """A job that was waited for failed or was cancelled."""
    USAGE = 2
    """The command line is wrong."""
    INVALID = 3
    """The spec, or another document, is wrong."""
    REFUSED = 4
    """The service said no: not found, not allowed, not in this state, too many requests."""
    UNREACHABLE = 5
    """There is no service, or it cannot answer now."""
    STACK = 6
    """The local stack, or a process of a server, cannot start as it is set up, or had to stop."""
    DAMAGED = 10
    """Stored files are missing or damaged."""
    INTERRUPTED = 130
    """Ctrl-C."""


class CommandFailed(Exception):
    """A command cannot go on; the message says what to do, `code` is the exit code."""

    code = Exit.STACK


EPILOG = (
    "Exit codes: 0 done, 1 the job failed or was cancelled, 2 wrong command line, 3 wrong spec, "
    "4 refused by the service, 5 no service, 6 the service cannot run here, 10 stored files are "
    "missing or damaged, 130 interrupted."
)
