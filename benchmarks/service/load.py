"""Clients that use little CPU time, so that the service is measured and not the clients."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

import numpy as np


@dataclass(frozen=True)
class Measured:
    """The seconds of each of many requests, and of all of them together."""

    seconds: list[float]
    elapsed: float

    @property
    def rate(self) -> float:
        """Requests per second."""
        return len(self.seconds) / self.elapsed

    def quantile(self, share: float) -> float:
        """Milliseconds within which this share of the requests was answered."""
        return float(np.quantile(self.seconds, share)) * 1000


class Connection:
    """One persistent connection, with a minimal HTTP/1.1 client."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str
    ) -> None:
        self._reader, self._writer, self._key = reader, writer, key

    @classmethod
    async def open(cls, server: str, key: str) -> Self:
        """Connect to a server."""
        address = urlsplit(server)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        return cls(reader, writer, key)

    async def send(self, method: str, path: str, body: bytes = b"") -> int:
        """Send a request, read status and headers, and return the length of the body."""
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self._key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._writer.write(head.encode() + body)
        lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        status = int(lines[0].split()[1])
        if status >= 400:
            raise RuntimeError(f"{method} {path}: {lines[0]}")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        return int(headers.get("content-length", 0))

    async def request(self, method: str, path: str, body: bytes = b"") -> Any:
        """Send a request, and return the document in the response."""
        return json.loads(await self._reader.readexactly(await self.send(method, path, body)))

    async def listen(self) -> int:
        """Read until the end or a cancellation; returns the number of bytes."""
        count = 0
        while piece := await self._reader.read(65536):
            count += len(piece)
        return count

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()


async def many(
    server: str, key: str, clients: int, count: int, do: Callable[[Connection], Awaitable[Any]]
) -> Measured:
    """Let several clients send requests, each as soon as its last one was answered."""
    left = iter(range(count))
    seconds: list[float] = []

    async def client() -> None:
        connection = await Connection.open(server, key)
        for _ in left:
            began = time.perf_counter()
            await do(connection)
            seconds.append(time.perf_counter() - began)
        connection.close()

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(client())
    return Measured(seconds, time.perf_counter() - began)
