"""Reads a zip of class directories with PNG or JPEG images.

The paths are ``CLASS/NAME.png``, or ``PART/CLASS/NAME.png`` with the parts ``train``, ``test`` and
``validation``. All images have the same size. Sizes are checked before any image is decoded.
"""

import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from service.converting.arrays import (
    SPLITS,
    Part,
    check_classes,
    check_size,
    class_name,
    in_order,
    written,
)
from service.converting.messages import Converted, Order, Unreadable

_FORMATS = ("PNG", "JPEG")
_ENDINGS = (".png", ".jpg", ".jpeg")
_MOST_FILES = 500_000
_MOST_DIRECTORY = 64 * 2**20
"""The most bytes of the directory of the archive, which is in memory as a whole."""
_LARGEST_IMAGE = 64 * 2**20
"""The most bytes of the file of an image."""
_END, _END64, _LOCATOR64 = struct.Struct("<4s4H2IH"), struct.Struct("<4sQ2H2I4Q"), b"PK\x06\x07"
_LONGEST_COMMENT = 2**16
_GREY = frozenset({"1", "L", "LA"})
_COLOUR = frozenset({"RGB", "RGBA", "P", "CMYK", "YCbCr"})
_ORIENTATION = 0x0112
_BROKEN = (
    *(UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, zlib.error),
    *(Image.DecompressionBombError, Image.DecompressionBombWarning, struct.error, KeyError),
)
_BAD_ZIP = (
    *(zipfile.BadZipFile, NotImplementedError, zlib.error, EOFError, struct.error),
    *(UnicodeDecodeError, RuntimeError),
)


@dataclass(frozen=True, slots=True)
class Picture:
    """An image in the archive: its part, its class, and its member."""

    part: str
    label: str
    info: zipfile.ZipInfo

    @property
    def path(self) -> str:
        """Its path in the archive."""
        return self.info.filename[:200]


@dataclass(frozen=True, slots=True)
class Header:
    """What the headers of all images say."""

    height: int
    width: int
    modes: frozenset[str]
    turned: int
    """Number of images with an orientation, which is not applied."""

    @property
    def channels(self) -> int:
        """1 if all images are gray, else 3."""
        return 1 if self.modes <= _GREY else 3

    @property
    def remarks(self) -> Iterator[str]:
        """What is stored otherwise than some viewers show it."""
        if self.modes & _GREY and self.channels == 3:
            yield "images in gray and in color are mixed; all are stored with three channels"
        if self.turned:
            yield f"{self.turned:,} images have an EXIF orientation, which is not applied"


def convert(source: BinaryIO, target: BinaryIO, order: Order) -> Converted:
    """Convert a zip of images to uint8 arrays [samples, height, width, 1 or 3].

    Raises:
        Unreadable: says which file is wrong, and what would be right.
    """
    if order.label_column is not None:
        raise Unreadable("label_column is for CSV and Parquet files; this is a zip file")
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    _check_directory(source)
    try:
        with zipfile.ZipFile(source) as archive:
            return _converted(archive, target, order)
    except _BAD_ZIP as error:
        raise Unreadable(f"the file is no sound zip file: {error}") from None


def _check_directory(source: BinaryIO) -> None:
    """Check the size of the directory of the archive before it is read."""
    size = source.seek(0, 2)
    source.seek(max(size - _END.size - _LONGEST_COMMENT, 0))
    tail = source.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        raise Unreadable("the file is no sound zip file: it has no end")
    *_, entries, length, _, _ = _END.unpack_from(tail, at)
    if tail[max(at - 20, 0) : at].startswith(_LOCATOR64):
        (where,) = struct.unpack_from("<Q", tail, at - 12)
        source.seek(min(where, size))
        record = source.read(_END64.size)
        if len(record) < _END64.size:
            raise Unreadable("the file is no sound zip file: its zip64 record is cut off")
        *_, entries, length, _ = _END64.unpack(record)
    source.seek(0)
    if entries > _MOST_FILES or length > _MOST_DIRECTORY:
        raise Unreadable(
            f"the zip file has {entries:,} files and a directory of {length:,} bytes; at most "
            f"{_MOST_FILES:,} files and {_MOST_DIRECTORY:,} bytes are taken"
        )


def _converted(archive: zipfile.ZipFile, target: BinaryIO, order: Order) -> Converted:
    pictures = _pictures(archive.infolist())
    names = in_order({picture.label for picture in pictures})
    check_classes(len(names), order.most_classes)
    by_part: dict[str, list[Picture]] = {}
    for picture in pictures:
        by_part.setdefault(picture.part, []).append(picture)
    header = _header(archive, pictures, order)
    numbers = {name: number for number, name in enumerate(names)}
    parts = {
        part: Part(
            np.array([numbers[one.label] for one in found], np.int32),
            _pixels(archive, found, header.channels),
        )
        for part, found in by_part.items()
    }
    shape = (header.height, header.width, header.channels)
    remarks = written(target, shape, np.uint8, parts, names)
    return Converted(format="images", class_names=tuple(names), remarks=(*header.remarks, *remarks))


def _pictures(infos: Sequence[zipfile.ZipInfo]) -> list[Picture]:
    """The images of an archive, in the order of their paths."""
    if len(infos) > _MOST_FILES:  # The end of the archive may have said fewer.
        raise Unreadable(
            f"the zip file has {len(infos):,} files; at most {_MOST_FILES:,} are taken"
        )
    files = [info for info in infos if not info.is_dir() and not _is_clutter(info.filename)]
    if not files:
        raise Unreadable("the zip file has no file; expected directories of PNG or JPEG images")
    paths: dict[str, tuple[str, ...]] = {}
    for info in files:
        if info.filename in paths:
            raise Unreadable(f"'{info.filename[:200]}' is there twice")
        paths[info.filename] = _steps(info)
    common = _common(list(paths.values()))
    found = [_picture(info, paths[info.filename][common:]) for info in files]
    if len({bool(picture.part) for picture in found}) > 1:
        flat = next(picture for picture in found if not picture.part)
        raise Unreadable(
            f"'{flat.path}' is in no part, but other images are in train, test or validation"
        )
    _check_directories(infos, found)
    return sorted(found, key=lambda one: (one.part, one.label, one.info.filename))


def _check_directories(infos: Sequence[zipfile.ZipInfo], found: Sequence[Picture]) -> None:
    """Check that no directory is empty."""
    full: set[str] = set()
    for picture in found:
        parent = picture.info.filename.rpartition("/")[0]
        while parent and parent not in full:
            full.add(parent)
            parent = parent.rpartition("/")[0]
    for info in infos:
        name = info.filename
        if info.is_dir() and not _is_clutter(name) and name.rstrip("/") not in full:
            raise Unreadable(f"the directory '{name[:200]}' has no image")


def _steps(info: zipfile.ZipInfo) -> tuple[str, ...]:
    """The steps of a path within the archive."""
    path = info.filename.replace("\\", "/")
    steps = tuple(step for step in path.split("/") if step not in ("", "."))
    shown = info.filename[:200]
    if path.startswith("/") or ".." in steps or ":" in path.partition("/")[0]:
        raise Unreadable(f"'{shown}' leads out of the zip file")
    if info.flag_bits & 0x1:
        raise Unreadable(f"'{shown}' is encrypted")
    if not path.lower().endswith(_ENDINGS):
        raise Unreadable(
            f"'{shown}' is no PNG or JPEG file; expected class directories of images, or the "
            "arrays of numpy.savez"
        )
    if info.file_size > _LARGEST_IMAGE:
        raise Unreadable(
            f"'{shown}' has {info.file_size:,} bytes; at most {_LARGEST_IMAGE:,} are taken"
        )
    return steps


def _common(paths: Sequence[tuple[str, ...]]) -> int:
    """Number of directories around the class directories, such as the name of the data set."""
    first, last = min(paths), max(paths)
    most = min(len(path) for path in paths) - 2
    shared = 0
    while shared < most and first[shared] == last[shared]:
        shared += 1
    return shared


def _picture(info: zipfile.ZipInfo, steps: tuple[str, ...]) -> Picture:
    if len(steps) == 2:
        if steps[0].lower() not in SPLITS:
            return Picture("", class_name(steps[0]), info)
    elif len(steps) == 3 and steps[0].lower() in SPLITS:
        return Picture(SPLITS[steps[0].lower()], class_name(steps[1]), info)
    raise Unreadable(
        f"'{info.filename[:200]}' is at the wrong place; expected CLASS/NAME.png, or "
        "PART/CLASS/NAME.png with the parts train, test and validation"
    )


def _is_clutter(path: str) -> bool:
    """Whether operating systems add such a file to archives."""
    steps = path.split("/")
    return "__MACOSX" in steps or steps[-1] in (".DS_Store", "Thumbs.db", "desktop.ini")


def _header(archive: zipfile.ZipFile, pictures: Sequence[Picture], order: Order) -> Header:
    """What the headers of all images say; no image is decoded."""
    first: tuple[int, int] | None = None
    modes: set[str] = set()
    turned = 0
    for picture in pictures:
        with archive.open(picture.info) as file, _opened(file, picture.path) as image:
            if image.mode not in _GREY | _COLOUR or _bits(image) > 8:
                raise Unreadable(
                    f"'{picture.path}' has the color mode {image.mode} with {_bits(image)} bits; "
                    "expected 8 bits per channel, gray or color"
                )
            size = (image.height, image.width)
            modes.add(image.mode)
            turned += _is_turned(image)
        first = first or size
        if size != first:
            raise Unreadable(
                f"'{picture.path}' has {size[1]} x {size[0]} pixels, but '{pictures[0].path}' has "
                f"{first[1]} x {first[0]}; all images must have the same size"
            )
    assert first is not None
    header = Header(*first, frozenset(modes), turned)
    values = first[0] * first[1] * header.channels
    if values > order.most_values:
        raise Unreadable(
            f"'{pictures[0].path}' has {first[1]} x {first[0]} pixels, which are {values:,} "
            f"values; at most {order.most_values:,} are taken"
        )
    check_size(len(pictures) * values, order.most_bytes)
    return header


def _bits(image: Image.Image) -> int:
    """Bits per channel of the stored image. Pillow reads colors of 16 bits as 8 bits."""
    tiles = getattr(image, "tile", ())
    return 16 if any(";16" in str(tile.args) for tile in tiles) or "16" in image.mode else 8


def _is_turned(image: Image.Image) -> bool:
    """Whether the image has an orientation other than upright."""
    if "exif" not in image.info:  # Pillow would decode the image to look for it.
        return False
    try:
        return image.getexif().get(_ORIENTATION, 1) != 1
    except _BROKEN:
        return False


def _opened(file: IO[bytes], path: str) -> Image.Image:
    try:
        return Image.open(file, formats=_FORMATS)
    except UnidentifiedImageError:
        raise Unreadable(f"'{path}' is neither a PNG nor a JPEG image") from None
    except _BROKEN as error:
        raise Unreadable(f"'{path}' is no readable PNG or JPEG image: {error}") from None


def _pixels(
    archive: zipfile.ZipFile, pictures: Sequence[Picture], channels: int
) -> Iterator[NDArray[np.uint8]]:
    """The pixels of images [height, width, channels], one image at a time."""
    for picture in pictures:
        with archive.open(picture.info) as file, _opened(file, picture.path) as image:
            try:
                image.load()
                opaque = _is_opaque(image)
                pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"), np.uint8)
            except _BROKEN as error:
                raise Unreadable(f"'{picture.path}' is damaged: {error}") from None
        if not opaque:
            raise Unreadable(f"'{picture.path}' has transparent pixels; all must be opaque")
        yield pixels.reshape(*pixels.shape[:2], channels)


def _is_opaque(image: Image.Image) -> bool:
    if "A" in image.getbands():
        return image.getchannel("A").getextrema() == (255, 255)
    if "transparency" not in image.info:
        return True
    return image.convert("RGBA").getchannel("A").getextrema() == (255, 255)
