"""Named arrays in few bytes, and back to the bit: for checkpoints, where most weights are zero.

Bools become bits. Of floats only those that are not zero are kept, beside the bits of their places.
What is equal is kept once: a mask and the places of the weights that it keeps are the same bits,
and what a level started from may be there already.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MAGNITUDE = np.uint32(0x7FFFFFFF)
"""All bits of a float32 but its sign."""
_WORTHWHILE = 1 / 32
"""The share of zeros from which on bits for all places are fewer than the zeros themselves."""


@dataclass(frozen=True, slots=True)
class Packed:
    """Arrays without their zeros, and without repetitions.

    Attributes:
        parts: 1-dimensional arrays by the digest of their bytes.
        index: of each array its name, dtype, shape, and the parts that it is made of, as plain
            data; in the order of the arrays, since that of weights decides the bytes of their file.
    """

    parts: dict[str, np.ndarray]
    index: list[dict[str, Any]]


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
    """The arrays that were packed, equal to the bit.

    Raises:
        KeyError: when a part is missing.
    """
    arrays = {}
    for said in packed.index:
        shape = said["shape"]
        parts = {what: packed.parts[said[what]] for what in _WHAT if what in said}
        flat = _whole(parts, prod(shape))
        arrays[said["name"]] = flat.astype(said["dtype"], copy=False).reshape(shape)
    return arrays


_WHAT = ("all", "bits", "places", "values", "negative")


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
