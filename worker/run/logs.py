"""The log of a run: all output of this process during the run."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from tempfile import TemporaryFile

_MOST = 4 << 20
_TAIL_LINES = 40
_TAIL_CHARACTERS = 4000


class RunLog:
    """The file that collects the output of a run. Everything that is read from it is redacted."""

    def __init__(self, file: int, redact: Callable[[bytes], bytes]) -> None:
        self._file = file
        self._redact = redact

    def say(self, text: str) -> None:
        """Add a line, with the time in UTC."""
        _flush()
        with suppress(OSError):
            os.write(self._file, f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {text}\n".encode())

    def content(self) -> bytes:
        """The whole log; the beginning and the end if it is very long."""
        _flush()
        size = os.fstat(self._file).st_size
        if size <= _MOST:
            return self._redact(os.pread(self._file, size, 0))
        half = _MOST // 2
        first, last = (os.pread(self._file, half, start) for start in (0, size - half))
        return self._redact(first) + b"\n... (left out) ...\n" + self._redact(last)

    def tail(self) -> str:
        """The last lines of the log."""
        lines = self.content().decode(errors="replace").splitlines()[-_TAIL_LINES:]
        return "\n".join(lines).replace("\0", "")[-_TAIL_CHARACTERS:]


@contextmanager
def captured(redact: Callable[[bytes], bytes]) -> Iterator[RunLog]:
    """Redirect standard output and standard error, including that of C++, to a file.

    Args:
        redact: applied to everything that is read from the file.
    """
    with TemporaryFile() as file:  # without a name: a killed process leaves no file
        _flush()
        saved = [os.dup(1), os.dup(2)]
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield RunLog(file.fileno(), redact)
        finally:
            _flush()
            for number, copy in zip((1, 2), saved, strict=True):
                os.dup2(copy, number)
                os.close(copy)


def _flush() -> None:
    """Flush buffered output; ignore a full disk, so that no run fails because of its log."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        if stream is not None and not stream.closed:
            with suppress(OSError):
                stream.flush()
