"""`lth up`: runs the whole service on this machine until a signal stops it."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from lth.client.local_stack import Running
from service.stack.process.group import Group
from service.stack.process.supervisor import Supervisor
from service.stack.starting import Narrator, Options, start_stack

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_stack(options: Options, narrator: Narrator) -> None:
    """Run a stack until SIGINT, SIGTERM or SIGHUP; a second signal kills it.

    Raises:
        StackError: if it cannot start, or a part cannot be restarted.
    """
    with _signals_interrupt():
        try:
            with stack(options, narrator) as (supervisor, _):
                supervisor.watch()
        except KeyboardInterrupt:
            narrator.say("stopped")


@contextmanager
def stack(options: Options, narrator: Narrator) -> Iterator[tuple[Supervisor, Running]]:
    """A running stack; the end of the context stops it.

    Raises:
        StackError: if it cannot start.
    """
    data = options.data
    data.make()
    with data.locked(), Group() as group:
        supervisor = Supervisor(group, narrator.say)
        try:
            running = start_stack(options, group, supervisor, narrator)
            data.announce(running)
            narrator.ready(running)
            yield supervisor, running
        finally:
            data.retract()
            supervisor.stop()


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    before = {number: signal.signal(number, signal.default_int_handler) for number in _STOPPING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
