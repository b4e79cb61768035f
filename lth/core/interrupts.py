"""Delays Ctrl-C to the end of a step, so that it leaves a consistent state."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def delayed_interrupt() -> Iterator[Callable[[], None]]:
    """Delay the first SIGINT in this block; a second one raises KeyboardInterrupt at once.

    Nothing is delayed outside the main thread, or if the program handles SIGINT itself.

    Yields:
        A function that raises KeyboardInterrupt if there was a SIGINT. The end of the block calls
        it too.
    """
    pending = False

    def note(_number: int, _frame: Any) -> None:
        nonlocal pending
        if pending:
            raise KeyboardInterrupt
        pending = True

    def check() -> None:
        nonlocal pending
        if pending:
            pending = False
            raise KeyboardInterrupt

    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield check
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    check()
