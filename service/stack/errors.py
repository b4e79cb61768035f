"""The errors of a local stack.

StackError
├── AlreadyRunning     another `lth up` uses the data directory
├── PartsMissing       required packages are not installed
├── StartFailed        a part did not start; the message ends with its last log lines
└── PartDied           a part died and could not be restarted
"""

from lth.cli.exits import CommandFailed, Exit


class StackError(CommandFailed):
    """Base of the stack's errors; the message says what to do."""

    code = Exit.STACK


class AlreadyRunning(StackError):
    """Another stack uses this data directory."""


class PartsMissing(StackError):
    """Required packages are not installed."""


class StartFailed(StackError):
    """A part ended, or was not ready in time."""


class PartDied(StackError):
    """A part died repeatedly, or could not be restarted."""
