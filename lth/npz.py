"""Named arrays and a JSON header as the bytes of an npz file, and back; never a pickle."""

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

_HEADER = "header.json"


def encode(arrays: Mapping[str, np.ndarray], header: Any = None) -> bytes:
    """The npz of these arrays; the same arrays in the same order give the same bytes."""
    members = {name: np.asarray(array) for name, array in arrays.items()}
    if header is not None:
        text = json.dumps(header, sort_keys=True).encode()
        members[_HEADER] = np.frombuffer(text, np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **members)
    return buffer.getvalue()


def decode(content: bytes) -> tuple[dict[str, np.ndarray], Any]:
    """The arrays and the header of `encode`'s bytes.

    Raises:
        ValueError: when they are no npz, or hold a pickle.
    """
    with np.load(io.BytesIO(content), allow_pickle=False) as members:
        arrays = {name: members[name] for name in members.files}
    header = arrays.pop(_HEADER, None)
    return arrays, None if header is None else json.loads(header.tobytes())


def header_of(content: bytes) -> Any:
    """The header of `encode`'s bytes, without reading the arrays.

    Raises:
        ValueError: when they are no npz.
        KeyError: when there is no header.
    """
    with np.load(io.BytesIO(content), allow_pickle=False) as members:
        return json.loads(members[_HEADER].tobytes())


def section(arrays: Mapping[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """The arrays under ``name/``, by the rest of their names."""
    prefix = f"{name}/"
    return {
        key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)
    }


def named(name: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays with ``name/`` before each of their names: the opposite of `section`."""
    return {f"{name}/{key}": array for key, array in arrays.items()}
