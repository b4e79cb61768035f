"""The API's side of the drawing process: starts it, sends orders, and replaces it if it dies."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from service.drawing.messages import ERROR, ORDER, Order, read, write

Gather = Callable[[], Mapping[str, bytes]]
"""Reads the files of a picture when it is drawn."""


class NotDrawnNow(Exception):
    """The picture cannot be drawn now; the client may retry in a few seconds."""


class DrawingFailed(Exception):
    """The picture cannot be drawn from the stored files: a defect."""


class Artist:
    """Draws one picture at a time, in a process that is started with the first one.

    Args:
        seconds: timeout of a picture.
        places: the most pictures that are drawn or waited for at once.
        command: the command of the process.
    """

    def __init__(
        self,
        seconds: float,
        places: int,
        command: tuple[str, ...] = (sys.executable, "-m", "service.drawing"),
    ) -> None:
        self._seconds = seconds
        self._places = places
        self._command = command
        self._taken = 0
        # A thread of its own, so that waiting for a picture takes none from other requests.
        self._thread = ThreadPoolExecutor(1, "artist")
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False
        self._starting = threading.Lock()

    async def draw(self, order: Order, gather: Gather) -> dict[str, bytes]:
        """The pictures of an order, by format.

        Raises:
            NotDrawnNow: if too many pictures are waiting, or this one takes too long.
            DrawingFailed: if it cannot be drawn.
        """
        if self._taken >= self._places:
            raise NotDrawnNow(f"{self._taken} pictures are waiting to be drawn already")
        self._taken += 1
        try:
            drawn = self._thread.submit(self._draw, order, gather)
            return await asyncio.wrap_future(drawn)
        finally:
            self._taken -= 1

    def close(self) -> None:
        """Kill the process."""
        with self._starting:
            self._closed = True
            process = self._process
        if process is not None:
            process.kill()
        self._thread.shutdown(cancel_futures=True)
        self._end()

    def _draw(self, order: Order, gather: Gather) -> dict[str, bytes]:
        message = {ORDER: order.model_dump_json().encode(), **gather()}
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        limit = threading.Timer(self._seconds, process.kill)
        limit.start()
        try:
            write(process.stdin, message)
            answer = read(process.stdout)
        except (EOFError, OSError, ValueError) as error:
            self._end()
            raise NotDrawnNow(
                f"the drawing of '{order.picture}' was broken off; it may take {self._seconds:g} s"
            ) from error
        finally:
            limit.cancel()
        if ERROR in answer:
            raise DrawingFailed(f"'{order.picture}' cannot be drawn: {answer[ERROR].decode()}")
        return answer

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._end()
        with self._starting:
            if self._closed:
                raise NotDrawnNow("the service is stopping")
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            return self._process

    def _end(self) -> None:
        """Clean up after the process has ended."""
        if self._process is None:
            return
        self._process.kill()
        self._process.communicate()
        self._process = None
