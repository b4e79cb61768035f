"""Reads an uploaded npz file without trusting it.

Sizes are checked before anything is decoded: first the end of the file, then the directory of the
archive, then the header of each array, and only then the arrays, one piece at a time. Pickles are
never read: the header of an array of objects is refused.
"""

import ast
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import BinaryIO, NoReturn

import numpy as np

MOST_MEMBERS = 8
_MOST_DIRECTORY = 64 * 1024
_MOST_HEADER = 4_096
_MOST_RATIO = 200
_RATIO_FROM = 16 * 2**20
_END = struct.Struct("<4s4H2IH")
_END_MAGIC = b"PK\x05\x06"
_END64_MAGIC = b"PK\x06\x07"
_END64_SIZE = 20
_PIECE = 1 << 20


class BadArchive(ValueError):
    """The file is not accepted; the message says what would be right."""


@dataclass(frozen=True, slots=True)
class ArrayHeader:
    """The header of an array."""

    name: str
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    size: int
    """Size of the header in bytes."""

    @property
    def nbytes(self) -> int:
        """Size of the decoded array in bytes."""
        return prod(self.shape) * self.dtype.itemsize


def members(file: BinaryIO, names: Sequence[frozenset[str]], most_bytes: int) -> list[ArrayHeader]:
    """The headers of the arrays in an npz file.

    Args:
        file: a seekable file.
        names: the sets of arrays that a file may contain.
        most_bytes: bound on the decoded bytes of all arrays.

    Raises:
        BadArchive: if it is not an npz file of these arrays.
    """
    _check_end(file)
    with _opened(file) as archive:
        infos = archive.infolist()
        _check_names([info.filename for info in infos], names)
        for info in infos:
            _check_member(info)
        total = sum(info.file_size for info in infos)
        if total > most_bytes:
            raise BadArchive(f"the arrays have {total} bytes; at most {most_bytes} are taken")
        return [_header(archive, info) for info in infos]


def pieces(file: BinaryIO, header: ArrayHeader) -> Iterator[np.ndarray]:
    """The values of an array, flat and in the order of the file, one piece at a time.

    Raises:
        BadArchive: if the bytes do not match the checksum of the archive.
    """
    with _opened(file) as archive, archive.open(f"{header.name}.npy") as member:
        member.read(header.size)
        left = header.nbytes
        step = _PIECE - _PIECE % header.dtype.itemsize
        while left:
            content = member.read(min(step, left))
            if len(content) < min(step, left):
                raise BadArchive(f"'{header.name}' ends too early")
            left -= len(content)
            yield np.frombuffer(content, header.dtype)
        member.read(1)  # Reading past the last byte verifies the checksum.


@contextmanager
def _opened(file: BinaryIO) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(file) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, struct.error) as error:
        raise BadArchive(f"the file is no sound npz file: {error}") from None


def _check_end(file: BinaryIO) -> None:
    """Check the size of the directory before it is read, because it may have a million entries."""
    size = file.seek(0, 2)
    if size < _END.size:
        raise BadArchive(f"the file has {size} bytes and is no npz file; 'numpy.savez' writes one")
    start = max(size - _END.size - _END64_SIZE, 0)
    file.seek(start)
    tail = file.read()
    magic, _, _, _, entries, length, offset, comment = _END.unpack(tail[-_END.size :])
    end = size - _END.size
    if magic != _END_MAGIC or comment or offset + length != end:
        raise BadArchive("the file is no npz file as 'numpy.savez' writes it")
    if tail[: -_END.size][-_END64_SIZE:].startswith(_END64_MAGIC):
        raise BadArchive("the file is a zip64 archive; smaller files are taken")
    if entries > MOST_MEMBERS:
        raise BadArchive(f"the file has {entries} members; at most {MOST_MEMBERS} are taken")
    if length > _MOST_DIRECTORY:
        raise BadArchive(
            f"the directory of the file has {length} bytes; at most {_MOST_DIRECTORY} are taken"
        )


def _check_names(found: list[str], known: Sequence[frozenset[str]]) -> None:
    names = [name.removesuffix(".npy") for name in found]
    twice = len(set(found)) < len(found)
    if twice or any(not name.endswith(".npy") for name in found) or frozenset(names) not in known:
        listed = ", ".join(repr(name[:80]) for name in found) or "nothing"
        right = "; or ".join(", ".join(sorted(group)) for group in known)
        raise BadArchive(f"the file holds {listed}; expected the arrays {right}")


def _check_member(info: zipfile.ZipInfo) -> None:
    if info.flag_bits & 0x1:
        raise BadArchive(f"'{info.filename}' is encrypted")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BadArchive(
            f"'{info.filename}' is compressed in a way that NumPy does not use; write the file "
            "with 'numpy.savez' or 'numpy.savez_compressed'"
        )
    if info.file_size > max(_RATIO_FROM, _MOST_RATIO * info.compress_size):
        raise BadArchive(
            f"'{info.filename}' would grow from {info.compress_size} to {info.file_size} bytes; "
            f"at most {_MOST_RATIO} times as many are taken"
        )


def _header(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> ArrayHeader:
    with archive.open(info) as member:
        start = member.read(8)
        if len(start) < 8 or start[:6] != b"\x93NUMPY" or start[6] not in (1, 2):
            raise BadArchive(f"'{info.filename}' is no array of NumPy")
        wide = start[6] == 2
        length_bytes = member.read(4 if wide else 2)
        length = int.from_bytes(length_bytes, "little")
        if length > _MOST_HEADER:
            raise BadArchive(
                f"the header of '{info.filename}' says that it has {length} bytes; at most "
                f"{_MOST_HEADER} are taken"
            )
        text = member.read(length)
    dtype, shape = _parsed(info.filename, text, length)
    size = len(start) + len(length_bytes) + length
    expected = size + prod(shape) * dtype.itemsize
    if expected != info.file_size:
        raise BadArchive(
            f"'{info.filename}' has {info.file_size} bytes, but its header speaks of {expected}"
        )
    return ArrayHeader(info.filename.removesuffix(".npy"), dtype, shape, size)


def _parsed(name: str, text: bytes, length: int) -> tuple[np.dtype[np.generic], tuple[int, ...]]:
    if len(text) < length:
        _bad_header(name)
    try:
        said = ast.literal_eval(text.decode("latin-1").strip())
        dtype, shape, fortran = said["descr"], said["shape"], said["fortran_order"]
    except (SyntaxError, ValueError, TypeError, KeyError, MemoryError, RecursionError):
        _bad_header(name)
    if not isinstance(dtype, str):
        raise BadArchive(f"'{name}' has the dtype {str(dtype)[:80]}; expected plain numbers")
    sizes = isinstance(shape, tuple) and all(type(n) is int and 0 <= n < 2**40 for n in shape)
    if not sizes or not isinstance(fortran, bool):
        _bad_header(name)
    try:
        found = np.dtype(dtype)
    except (TypeError, ValueError):
        _bad_header(name)
    if found.hasobject:
        raise BadArchive(
            f"'{name}' holds Python objects, which are never read; expected plain numbers"
        )
    return found, shape


def _bad_header(name: str) -> NoReturn:
    raise BadArchive(f"the header of '{name}' is not as NumPy writes it")
