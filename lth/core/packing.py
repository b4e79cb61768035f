"""Compresses named arrays without loss, for checkpoints, in which most weights are zero.

Booleans become bits. Floats are stored without zeros, with a bit for each position. Equal parts are
stored once: a mask equals the positions of the weights that it keeps.

The parts of a packed array can be on disk. `Stored` arrays are read when they are accessed, and are
written to another file without packing them again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MAGNITUDE = np.uint32(0x7FFFFFFF)
"""All bits of a float32 except its sign."""
_WORTHWHILE = 1 / 32
"""The share of zeros from which bits for all positions need less space than the zeros."""


@dataclass(frozen=True, slots=True)
class Packed:
    """Arrays without zeros and without duplicates.

    Attributes:
        parts: 1-dimensional arrays by the digest of their bytes, in memory or on disk.
        index: name, dtype, shape and parts of each array, as plain data, in the order of the
            arrays.
    """

    parts: Mapping[str, np.ndarray]
    index: list[dict[str, Any]]


class Stored(Mapping[str, np.ndarray]):
    """Packed arrays by name; each is unpacked when it is accessed.

    Args:
        parts: arrays by digest, such as those of an open npz file; read one at a time.
        index: the index of `Packed`.
    """

    def __init__(self, parts: Mapping[str, np.ndarray], index: list[dict[str, Any]]) -> None:
        self.packed = Packed(parts, index)
        self._said = {said["name"]: said for said in index}

    def __getitem__(self, name: str) -> np.ndarray:
        return _unpacked(self.packed.parts, self._said[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._said)

    def __len__(self) -> int:
        return len(self._said)


def packed(arrays: Mapping[str, np.ndarray]) -> Packed:
    """Pack arrays; `Stored` arrays are already packed and are not read."""
    return arrays.packed if isinstance(arrays, Stored) else pack(arrays)


def joined(sections: Mapping[str, Packed]) -> tuple[Iterator[tuple[str, np.ndarray]], list[Any]]:
    """Join several packed sections.

    Args:
        sections: the sections, by the prefix of the names of their arrays.

    Returns:
        All parts by digest, each once and read lazily; and the index.
    """
    sources: dict[str, Mapping[str, np.ndarray]] = {}
    index = []
    for prefix, section in sections.items():
        for said in section.index:
            index.append({**said, "name": f"{prefix}/{said['name']}"})
            for what in _WHAT:
                if what in said:
                    sources.setdefault(said[what], section.parts)
    return ((digest, parts[digest]) for digest, parts in sources.items()), index


def section_of(packed: Packed, prefix: str) -> Stored:
    """The arrays of one section of a joined index; they are not read yet."""
    start = f"{prefix}/"
    index = [
        {**said, "name": said["name"].removeprefix(start)}
        for said in packed.index
        if said["name"].startswith(start)
    ]
    return Stored(packed.parts, index)


def pack(arrays: Mapping[str, np.ndarray]) -> Packed:
    """Pack arrays of any dtypes and shapes."""
    parts: dict[str, np.ndarray] = {}
    index = []
    for name, array in arrays.items():
        flat = np.ravel(array)
        found = {what: _keep(parts, part) for what, part in _parts(flat).items()}
        dtype, shape = array.dtype.str, list(array.shape)
        index.append({"name": name, "dtype": dtype, "shape": shape, **found})
    return Packed(parts, index)


def unpack(packed: Packed) -> dict[str, np.ndarray]:
    """The original arrays, bit for bit.

    Raises:
        KeyError: if a part is missing.
    """
    return {said["name"]: _unpacked(packed.parts, said) for said in packed.index}


_WHAT = ("all", "bits", "places", "values", "negative")


def _unpacked(parts: Mapping[str, np.ndarray], said: Mapping[str, Any]) -> np.ndarray:
    shape = said["shape"]
    flat = _whole({what: parts[said[what]] for what in _WHAT if what in said}, prod(shape))
    return flat.astype(said["dtype"], copy=False).reshape(shape)


def _parts(flat: NDArray[Any]) -> dict[str, np.ndarray]:
    if flat.dtype == np.bool_:
        return {"bits": np.packbits(flat)}
    if flat.dtype != np.float32:
        return {"all": flat}
    places = (flat.view(np.uint32) & _MAGNITUDE) != 0
    if np.count_nonzero(places) > (1 - _WORTHWHILE) * flat.size:
        return {"all": flat}
    parts = {"places": np.packbits(places), "values": flat[places]}
    negative = np.signbit(flat[~places])
    return {**parts, "negative": np.packbits(negative)} if negative.any() else parts


def _whole(parts: dict[str, np.ndarray], size: int) -> NDArray[Any]:
    if "all" in parts:
        return parts["all"]
    if "bits" in parts:
        return _from_bits(parts["bits"], size)
    flat, places = np.zeros(size, np.float32), _from_bits(parts["places"], size)
    flat[places] = parts["values"]
    if "negative" in parts:
        signs = _from_bits(parts["negative"], size - len(parts["values"]))
        flat[~places] = np.where(signs, np.float32(-0.0), np.float32(0.0))
    return flat


def _from_bits(bits: np.ndarray, size: int) -> NDArray[np.bool_]:
    return np.unpackbits(bits, count=size).astype(np.bool_)


def _keep(parts: dict[str, np.ndarray], part: np.ndarray) -> str:
    digest = blake2b(part.dtype.str.encode(), digest_size=16)
    digest.update(part.data)
    key = digest.hexdigest()
    parts.setdefault(key, part)
    return key
