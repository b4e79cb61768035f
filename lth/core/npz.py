"""Encodes named arrays and a JSON header as an npz file, without pickle."""

import io
import json
from collections.abc import Iterable, Mapping
from typing import IO, Any, cast
from zipfile import ZipFile

import numpy as np
from numpy.lib.npyio import NpzFile

_HEADER = "header.json"


def encode(arrays: Mapping[str, np.ndarray], header: Any = None) -> bytes:
    """The arrays as the bytes of an npz file, always the same for the same arrays in order."""
    buffer = io.BytesIO()
    write(buffer, arrays.items(), header)
    return buffer.getvalue()


def write(file: IO[bytes], arrays: Iterable[tuple[str, np.ndarray]], header: Any = None) -> None:
    """Write the bytes of `encode` to a file, one array at a time."""
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
    """Open an npz file: its arrays, each read when it is accessed, and its header.

    Raises:
        ValueError: if it is not an npz file.
    """
    file.seek(0)
    members: NpzFile = np.load(cast(Any, file), allow_pickle=False)
    header = members.get(_HEADER)
    return members, None if header is None else json.loads(header.tobytes())


def decode(content: bytes) -> tuple[dict[str, np.ndarray], Any]:
    """The arrays and the header of the bytes that `encode` returned.

    Raises:
        ValueError: if they are not an npz file, or contain a pickle.
    """
    with np.load(io.BytesIO(content), allow_pickle=False) as members:
        arrays = {name: members[name] for name in members.files}
    header = arrays.pop(_HEADER, None)
    return arrays, None if header is None else json.loads(header.tobytes())


def section(arrays: Mapping[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """The arrays whose names begin with ``name/``, by the rest of their names."""
    prefix = f"{name}/"
    return {
        key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)
    }


def named(name: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays with ``name/`` before their names; the opposite of `section`."""
    return {f"{name}/{key}": array for key, array in arrays.items()}
