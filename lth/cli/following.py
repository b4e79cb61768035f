"""Waits for jobs with a time limit, and ends in an orderly way on Ctrl-C and SIGTERM."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lth.cli.exits import DeadlineOver
from lth.cli.screen import say
from lth.client import Client
from lth.client.errors import ClientError


@dataclass(frozen=True, slots=True)
class Limits:
    """How long to wait, in seconds, and whether to cancel the jobs if the command is aborted."""

    timeout: float | None = None
    cancel_on_abort: bool = False


class _TimeIsUp(Exception):
    pass


@contextmanager
def following(client: Client, job_ids: Sequence[str], limits: Limits) -> Iterator[None]:
    """Follow jobs in this context.

    Raises:
        DeadlineOver: if the context takes longer than the time limit.
        KeyboardInterrupt: on SIGTERM, as on SIGINT.
    """

    def interrupt(_number: int, _frame: Any) -> None:
        raise KeyboardInterrupt

    def time_is_up(_number: int, _frame: Any) -> None:
        raise _TimeIsUp

    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, interrupt)}
    if limits.timeout is not None:
        before[signal.SIGALRM] = signal.signal(signal.SIGALRM, time_is_up)
        signal.setitimer(signal.ITIMER_REAL, limits.timeout)
    try:
        yield
    except (KeyboardInterrupt, _TimeIsUp) as error:
        signal.setitimer(signal.ITIMER_REAL, 0)
        _abort(client, job_ids, limits)
        if isinstance(error, KeyboardInterrupt):
            raise
        raise DeadlineOver(f"not ended within {limits.timeout:g} s") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _abort(client: Client, job_ids: Sequence[str], limits: Limits) -> None:
    """Cancel the unfinished jobs, or say how to follow and to cancel them."""
    for job_id in job_ids:
        if not limits.cancel_on_abort:
            say(f"the job continues: lth watch {job_id} follows it, lth cancel {job_id} cancels it")
            continue
        try:
            client.cancel(job_id)
            say(f"cancelled {job_id}")
        except ClientError as error:
            say(f"{job_id} was not cancelled: {error}")
