"""Why a local stack cannot start, or had to stop.

StackError
├── AlreadyRunning     another `lth up` holds the data directory
├── PartsMissing       packages that the stack needs are not installed
├── StartFailed        a part did not come up; the message ends with its last log lines
└── PartDied           a part died and could not be brought back
"""

from lth.cli.exits import CommandFailed, Exit


class StackError(CommandFailed):
    """Base of the stack's errors; the message says what to do."""

    code = Exit.STACK


class AlreadyRunning(StackError):
    """Another stack runs on this data directory."""


class PartsMissing(StackError):
    """The installation lacks what a local stack is made of."""


class StartFailed(StackError):
    """A part ended, or was not ready in time."""


class PartDied(StackError):
    """A running part died, and dies again whenever it is restarted."""
