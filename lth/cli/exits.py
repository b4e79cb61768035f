"""The exit codes of ``lth``, which scripts and CI rely on."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes; 1 is also the exit code of a Python exception."""

    OK = 0
    FAILED = 1
    """The job failed or was cancelled."""
    USAGE = 2
    """The command line is wrong: an option, a filter, or a file that cannot be read."""
    INVALID = 3
    """The spec, or another document, is wrong."""
    REFUSED = 4
    """The service refused: not found, not allowed, wrong state, too many requests, or an
    idempotency key that was used with another document."""
    UNREACHABLE = 5
    """The service is unavailable."""
    STACK = 6
    """The local stack or a server process cannot start, or had to stop."""
    DEADLINE = 9
    """The job did not end within `--timeout`; it goes on unless `--cancel-on-abort` is given."""
    DAMAGED = 10
    """Stored files are missing or damaged."""
    INTERRUPTED = 130
    """Ctrl-C."""


class CommandFailed(Exception):
    """The command failed; the message says what to do, and `code` is the exit code."""

    code = Exit.STACK


class WrongUse(CommandFailed):
    """The arguments cannot be used together, or with the files that are there."""

    code = Exit.USAGE


class DeadlineOver(CommandFailed):
    """The job did not end in time."""

    code = Exit.DEADLINE


EPILOG = (
    "Exit codes: 0 success, 1 the job failed or was cancelled, 2 wrong command line, 3 wrong spec, "
    "4 refused by the service, 5 service unavailable, 6 a server cannot run here, 9 not ended "
    "within --timeout, 10 stored files are missing or damaged, 130 interrupted."
)
