"""Named arrays and a JSON header as the bytes of an npz file, and back; never a pickle."""

import io
import json
from collections.abc import Iterable, Mapping
from typing import IO, Any, cast
from zipfile import ZipFile

import numpy as np
from numpy.lib.npyio import NpzFile

_HEADER = "header.json"


def encode(arrays: Mapping[str, np.ndarray], header: Any = None) -> bytes:
    """The npz of these arrays; the same arrays in the same order give the same bytes."""
    buffer = io.BytesIO()
    write(buffer, arrays.items(), header)
    return buffer.getvalue()


def write(file: IO[bytes], arrays: Iterable[tuple[str, np.ndarray]], header: Any = None) -> None:
    """Write the bytes of `encode` to a file, one array after another."""
    with ZipFile(file, "w") as archive:
        for name, array in arrays:
            _add(archive, name, np.asarray(array))
        if header is not None:
            text = json.dumps(header, sort_keys=True).encode()
            _add(archive, _HEADER, np.frombuffer(text, np.uint8))


def _add(archive: ZipFile, name: str, array: np.ndarray) -> None:
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array(member, array, allow_pickle=False)


def opened(file: IO[bytes]) -> tuple[Mapping[str, np.ndarray], Any]:
    """The arrays of an npz file, each read whenever it is asked for, and its header.

    Raises:
        ValueError: when the file is no npz.
    """
    file.seek(0)
    members: NpzFile = np.load(cast(Any, file), allow_pickle=False)
    header = members.get(_HEADER)
    return members, None if header is None else json.loads(header.tobytes())


def decode(content: bytes) -> tuple[dict[str, np.ndarray], Any]:
    """The arrays and the header of `encode`'s bytes.

    Raises:
        ValueError: when they are no npz, or hold a pickle.
    """
    with np.load(io.BytesIO(content), allow_pickle=False) as members:
        arrays = {name: members[name] for name in members.files}
    header = arrays.pop(_HEADER, None)
    return arrays, None if header is None else json.loads(header.tobytes())


def section(arrays: Mapping[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """The arrays under ``name/``, by the rest of their names."""
    prefix = f"{name}/"
    return {
        key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)
    }


def named(name: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays with ``name/`` before each of their names: the opposite of `section`."""
    return {f"{name}/{key}": array for key, array in arrays.items()}
