"""Waiting for a job ends in time, and on SIGTERM; then the job is cancelled if wanted."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import cast

import pytest

from lth.cli.exits import DeadlineOver
from lth.cli.following import Limits, following
from lth.client import Client


@pytest.fixture(autouse=True)
def _python_handles_sigint() -> Iterator[None]:
    """A shell ignores SIGINT in processes that it starts in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Recording:
    """Stands in for a client."""

    def __init__(self) -> None:
        self.cancelled: list[str] = []

    def cancel(self, job_id: str) -> None:
        self.cancelled.append(job_id)


@pytest.mark.parametrize("cancel", [True, False])
def test_a_time_limit_ends_the_wait(cancel: bool, capsys: pytest.CaptureFixture[str]) -> None:
    client = Recording()
    began = time.monotonic()
    with (
        pytest.raises(DeadlineOver, match=r"not ended within 0\.2 s"),
        following(cast(Client, client), ["a", "b"], Limits(0.2, cancel)),
    ):
        time.sleep(20)
    assert time.monotonic() - began < 10
    assert client.cancelled == (["a", "b"] if cancel else [])
    said = capsys.readouterr().err
    assert ("lth watch a follows it" in said) is not cancel


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_wait_and_handlers_are_restored(number: signal.Signals) -> None:
    client, before = Recording(), signal.getsignal(signal.SIGTERM)
    threading.Timer(0.2, os.kill, (os.getpid(), number)).start()
    with (
        pytest.raises(KeyboardInterrupt),
        following(cast(Client, client), ["a"], Limits(None, True)),
    ):
        time.sleep(20)
    assert client.cancelled == ["a"]
    assert signal.getsignal(signal.SIGTERM) is before
