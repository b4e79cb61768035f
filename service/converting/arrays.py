"""Writes a data set as an npz file, piece by piece, so that it never is in memory as a whole."""

import re
import unicodedata
import zipfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lth.datasets.rules import TEST_SHARE, set_aside
from service.converting.messages import Unreadable

LARGEST_FILE = 2**32 - 2**24
"""Larger files would be zip64 archives, which the service does not read."""
SPLITS = {
    "train": "train",
    "test": "test",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
}
"""The names of parts of a data set, and what they stand for."""
_LONGEST_NAME = 100
_WHOLE = re.compile(r"-?[0-9]+")
_CONTROL = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Categories of characters that a name must not have: they change what a terminal shows."""


class Part(NamedTuple):
    """A part of a data set: its labels, and its samples in pieces."""

    labels: NDArray[np.int32]
    samples: Iterable[NDArray[np.generic]]


def written(
    target: BinaryIO,
    shape: tuple[int, ...],
    dtype: type[np.generic],
    parts: Mapping[str, Part],
    names: Sequence[str],
) -> tuple[str, ...]:
    """Write the samples and labels of each part.

    Args:
        target: the npz file.
        shape: of a sample.
        dtype: of the samples.
        parts: by name; "" for a data set without parts.
        names: the name of each class.

    Returns:
        Remarks about the parts.

    Raises:
        Unreadable: if a class has no training sample.
    """
    remarks = tuple(_remarks({name: part.labels for name, part in parts.items()}, names))
    with zipfile.ZipFile(target, "w") as archive:
        for name, part in parts.items():
            ending = f"_{name}" if name else ""
            _write(archive, f"x{ending}", (len(part.labels), *shape), dtype, part.samples)
            _write(archive, f"y{ending}", part.labels.shape, np.int32, [part.labels])
    return remarks


def class_name(text: str) -> str:
    """The name of a class, in the usual form of Unicode.

    Raises:
        Unreadable: if it is too long, or has control characters.
    """
    name = unicodedata.normalize("NFC", text)
    if len(name) > _LONGEST_NAME:
        raise Unreadable(
            f"the name of the class '{name[:40]}...' has {len(name)} characters; at most "
            f"{_LONGEST_NAME} are taken"
        )
    if any(unicodedata.category(character) in _CONTROL for character in name):
        raise Unreadable(f"the name of the class {name!a} has control characters")
    return name


def in_order(names: Collection[str]) -> list[str]:
    """The names of classes: by size if all are whole numbers, else by the alphabet."""
    if all(_WHOLE.fullmatch(name) for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)


def check_classes(classes: int, most: int) -> None:
    """Check the number of classes.

    Raises:
        Unreadable: if there are too few or too many.
    """
    if not 2 <= classes <= most:
        raise Unreadable(f"the file has {classes} classes; expected 2 to {most:,}")


def check_size(size: int, most: int) -> None:
    """Check the bytes of all arrays.

    Raises:
        Unreadable: if there are too many.
    """
    bound = min(most, LARGEST_FILE)
    if size > bound:
        raise Unreadable(f"the arrays have {size:,} bytes or more; at most {bound:,} are taken")


def _remarks(labels: Mapping[str, NDArray[np.int32]], names: Sequence[str]) -> Iterable[str]:
    if "" not in labels and "train" not in labels:
        raise Unreadable(f"the data set has only the parts {', '.join(sorted(labels))}, no 'train'")
    train, test = labels.get("train", labels.get("")), labels.get("test")
    assert train is not None
    if test is None:
        samples = len(train)
        rows, for_test = set_aside(samples)
        if not len(for_test):
            raise Unreadable(
                f"of {samples} samples none can be set aside for testing; give {TEST_SHARE} at "
                "least, or a test part"
            )
        train, test = train[rows], train[for_test]
        yield (
            f"the file has no test part: {len(test):,} of {samples:,} samples are set aside for "
            "testing, the same for every seed"
        )
    if missing := _missing(train, names):
        raise Unreadable(f"{missing} no training sample")
    if missing := _missing(test, names):
        yield f"{missing} no test sample"


def _missing(labels: NDArray[np.int32], names: Sequence[str]) -> str | None:
    """The classes without a label, as the start of a sentence."""
    counts = np.bincount(labels, minlength=len(names))
    missing = [name for name, count in zip(names, counts, strict=True) if not count]
    if not missing:
        return None
    if len(missing) == 1:
        return f"the class '{missing[0]}' has"
    return f"{len(missing):,} classes, such as '{missing[0]}', have"


def _write(
    archive: zipfile.ZipFile,
    name: str,
    shape: tuple[int, ...],
    dtype: type[np.generic],
    pieces: Iterable[NDArray[np.generic]],
) -> None:
    """Write an array of this shape, whose values come in pieces, as a member of an npz file."""
    descr = np.lib.format.dtype_to_descr(np.dtype(dtype))
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array_header_1_0(member, header)
        for piece in pieces:
            member.write(np.ascontiguousarray(piece, dtype).data)
