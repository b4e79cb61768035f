"""The converting process: converts one file, and ends.

It reads files that nobody has checked, so it bounds its own memory and time. If a library crashes
on such a file, only this process dies. It ends with its input, so it cannot outlive the API.
"""

import os
import resource
import signal
import sys
import threading
import zipfile
from collections.abc import Callable
from contextlib import suppress
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import BinaryIO

from service.converting import images, tables
from service.converting.messages import Answer, Converted, Order, Unreadable

_MOST_MEMORY = 2 * 2**30
_MOST_CPU_SECONDS = 900
_ZIP, _PARQUET = b"PK\x03\x04", b"PAR1"
_ACCEPTED = (
    "expected an npz file of numpy.savez, a zip of class directories with PNG or JPEG images, a "
    "CSV file or a Parquet file"
)

Reader = Callable[[BinaryIO, BinaryIO, Order], Converted]


def main() -> None:
    """Convert the file of the order in the first argument; print the answer."""
    order = Order.model_validate_json(sys.argv[1])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the API; our input ends with it.
    threading.Thread(target=_end_with_input, daemon=True).start()
    with suppress(OSError):  # If memory runs out, the kernel shall kill this process first.
        Path("/proc/self/oom_score_adj").write_text("1000")
    _limit(resource.RLIMIT_AS, _MOST_MEMORY)
    _limit(resource.RLIMIT_CPU, _MOST_CPU_SECONDS)
    print(_answer(order).model_dump_json())


def _answer(order: Order) -> Answer:
    try:
        with os.fdopen(order.source, "rb") as source, os.fdopen(order.target, "wb") as target:
            return Answer(converted=_reader(source)(source, target, order))
    except Unreadable as error:
        return Answer(error=str(error))
    except MemoryError:
        return Answer(error="the file needs too much memory; split it into smaller parts")
    except OSError as error:
        if error.errno not in (ENOSPC, EDQUOT):
            raise
        return Answer(disk_full=True)


def _reader(source: BinaryIO) -> Reader:
    """The reader of the file's format, which its first bytes tell."""
    start = source.read(4096)
    is_zip = start.startswith(_ZIP) or zipfile.is_zipfile(source)
    source.seek(0)
    if is_zip:
        return images.convert
    if start.startswith(_PARQUET):
        return tables.convert_parquet
    if not start.strip() or b"\0" in start:
        raise Unreadable(f"the format of the file is unknown; {_ACCEPTED}")
    return tables.convert_csv


def _limit(what: int, most: int) -> None:
    with suppress(ValueError):  # macOS does not bound the memory of a process.
        resource.setrlimit(what, (most, most))


def _end_with_input() -> None:
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


if __name__ == "__main__":
    main()
