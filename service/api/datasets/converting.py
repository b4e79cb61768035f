"""Converts an uploaded file to an npz file, in a process with limits of its own."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from tempfile import TemporaryFile
from threading import Timer
from typing import Annotated, BinaryIO, cast

import anyio
import anyio.to_thread
from fastapi import Depends, Query, Request

from service.api.datasets.contents import MOST_CLASSES, MOST_VALUES
from service.api.datasets.receiving import UploadDep
from service.api.http.documents import PLAIN
from service.api.http.problems import InsufficientStorage, InvalidDataset, Unavailable
from service.api.http.state import AppStateDep
from service.converting.messages import Answer, Converted, Order

_AT_ONCE, _PLACES = 2, 16
_LONGEST_SECONDS = 1_800.0
_MEMBER, _NAME_AT = b"PK\x03\x04", 30
_EMPTY = b"PK\x05\x06"
_PASSED = ("HOME", "LD_LIBRARY_PATH", "PATH", "TMPDIR", "VIRTUAL_ENV")
"""Variables that the process gets. It reads files of users, so it gets no secrets."""


@dataclass(frozen=True, slots=True)
class Npz:
    """An uploaded file as an npz file, and what was converted; None if it was an npz file."""

    file: BinaryIO
    conversion: Converted | None


class Converter:
    """Converts some files at once; others wait, without a thread."""

    def __init__(self) -> None:
        self._limiter = anyio.CapacityLimiter(_AT_ONCE)
        self._taken = 0

    async def convert(self, order: Order) -> Converted:
        """Convert a file.

        Raises:
            InvalidDataset: says what is wrong with the file, and what would be right.
            InsufficientStorage: if the disk is full.
            Unavailable: if too many files wait.
        """
        if self._taken >= _PLACES:
            raise Unavailable(
                f"{self._taken} files are waiting to be converted; try again",
                headers={"Retry-After": "60"},
            )
        self._taken += 1
        try:
            async with self._limiter:
                return await _converted(order)
        finally:
            self._taken -= 1


async def _converter(request: Request) -> Converter:
    return request.app.state.converter


async def as_npz(
    file: UploadDep,
    app: AppStateDep,
    converter: Annotated[Converter, Depends(_converter)],
    label_column: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=200,
            pattern=PLAIN,
            description="the column of labels in a CSV or Parquet file; default: `label`",
        ),
    ] = None,
) -> AsyncIterator[Npz]:
    """The uploaded file as an npz file.

    Raises:
        InvalidDataset: says what is wrong with the file, and what would be right.
        InsufficientStorage: if the disk is full.
        Unavailable: if too many files are being converted.
    """
    if await anyio.to_thread.run_sync(_is_npz, file):
        if label_column is not None:
            raise InvalidDataset("label_column is for CSV and Parquet files; this is an npz file")
        yield Npz(file, None)
        return
    with TemporaryFile() as target:
        order = Order(
            source=file.fileno(),
            target=target.fileno(),
            label_column=label_column,
            most_bytes=app.settings.max_dataset_bytes,
            most_values=MOST_VALUES,
            most_classes=MOST_CLASSES,
        )
        conversion = await converter.convert(order)
        target.seek(0)
        yield Npz(cast(BinaryIO, target), conversion)


NpzDep = Annotated[Npz, Depends(as_npz)]


def _is_npz(file: BinaryIO) -> bool:
    """Whether a file is a zip whose first member is an array, or an empty zip."""
    file.seek(0)
    start = file.read(_NAME_AT + 2**16)
    file.seek(0)
    if not start.startswith(_MEMBER):
        return start.startswith(_EMPTY)
    length = int.from_bytes(start[26:28], "little")
    return start[_NAME_AT : _NAME_AT + length].endswith(b".npy")


async def _converted(order: Order) -> Converted:
    command = [sys.executable, "-m", "service.converting", order.model_dump_json()]
    process = subprocess.Popen(
        command,
        pass_fds=(order.source, order.target),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if _is_passed(name)},
    )
    own_thread = anyio.CapacityLimiter(1)  # so that conversions take none from other requests
    try:
        said = await anyio.to_thread.run_sync(
            partial(_read, process), limiter=own_thread, abandon_on_cancel=True
        )
    finally:
        process.kill()
    if not said:
        raise InvalidDataset(
            "the file cannot be converted: it is damaged, or needs too much memory or time"
        )
    answer = Answer.model_validate_json(said)
    if answer.disk_full:
        raise InsufficientStorage(
            "the server's disk for uploads is full; nothing was stored, try again later"
        )
    if answer.converted is None:
        raise InvalidDataset(answer.error or "the file cannot be converted")
    return answer.converted


def _read(process: "subprocess.Popen[bytes]") -> bytes:
    """The output of the process; nothing if it failed or took too long."""
    limit = Timer(_LONGEST_SECONDS, process.kill)
    limit.start()
    try:
        assert process.stdout is not None
        assert process.stdin is not None
        with process.stdout, process.stdin:
            said = process.stdout.read()
            return b"" if process.wait() else said
    finally:
        limit.cancel()


def _is_passed(name: str) -> bool:
    return name in _PASSED or name.startswith("PYTHON")
