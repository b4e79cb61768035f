"""Reads CSV and Parquet files: one row for each sample, a column of labels, columns of numbers.

A column named ``split`` with the values train, test and validation makes the parts. All other
columns are features, and are stored as float32.
"""

import csv
import io
import math
import re
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from tempfile import TemporaryFile
from typing import IO, Any, BinaryIO

import numpy as np
from arro3.core import DataType, RecordBatchReader, Schema
from arro3.core import Field as Column
from arro3.io import read_csv, read_parquet
from numpy.typing import NDArray

from service.converting.arrays import (
    SPLITS,
    Part,
    check_classes,
    check_size,
    class_name,
    in_order,
    written,
)
from service.converting.messages import Converted, Format, Order, Unreadable

_LABEL, _SPLIT = "label", "split"
_MOST_COLUMNS = 100_000
_LONGEST_HEADER = 2**23
_VALUES_OF_BATCH = 1_000_000
_SHOWN = 8
_SHOWN_AS = {"csv": "CSV file", "parquet": "Parquet file"}
_DELIMITERS = ",;\t|"
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_INNER = re.compile(r"^C Data interface error: |^called `Result::unwrap\(\)` on an `Err` value: ")
"""How the library begins errors of other libraries."""
_INDEX = re.compile(r"|Unnamed: [0-9]+|__index_level_[0-9]+__")
"""Names that pandas and others give to the index of a table."""


@dataclass(slots=True)
class _Rows:
    """The rows of a part of a data set: labels in memory, features in a temporary file."""

    features: IO[bytes]
    labels: "array[int]" = field(default_factory=lambda: array("i"))

    def stored(self) -> Iterator[NDArray[np.float32]]:
        """The features, from the temporary file."""
        self.features.seek(0)
        while piece := self.features.read(2**20):
            yield np.frombuffer(piece, np.float32)


def convert_parquet(source: BinaryIO, target: BinaryIO, order: Order) -> Converted:
    """Convert a Parquet file.

    Raises:
        Unreadable: names the column and the row that are wrong, and what would be right.
    """
    with _readable("parquet"):
        schema = read_parquet(source).schema
    label = _label_among(schema.names, order)
    for column in schema:
        _check_type(column, column.name in (label, _SPLIT))
    with _readable("parquet"):
        source.seek(0)
        reader = read_parquet(source, batch_size=_batch_size(schema.names))
    return _converted("parquet", schema.names, label, reader, target, order)


def convert_csv(source: BinaryIO, target: BinaryIO, order: Order) -> Converted:
    """Convert a CSV file: UTF-8, a header, fields separated by comma, semicolon, tab or bar.

    Raises:
        Unreadable: names the column and the row that are wrong, and what would be right.
    """
    names, delimiter = _header(source)
    label = _label_among(names, order)
    text = Schema([Column(name, DataType.string(), nullable=True) for name in names])
    with _readable("csv"):
        reader = read_csv(
            source, text, has_header=True, delimiter=delimiter, batch_size=_batch_size(names)
        )
    return _converted("csv", names, label, reader, target, order)


def _header(source: BinaryIO) -> tuple[list[str], str]:
    """The names of the columns, and the delimiter of a CSV file."""
    line = source.readline(_LONGEST_HEADER)
    if len(line) == _LONGEST_HEADER:
        raise Unreadable(f"the first line has more than {_LONGEST_HEADER:,} bytes")
    mark = line.startswith(b"\xef\xbb\xbf")
    try:
        text = line.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError:
        raise Unreadable("the file is no text in UTF-8, and no format that is known") from None
    delimiter = max(_DELIMITERS, key=text.count)
    try:
        names = next(csv.reader(io.StringIO(text), delimiter=delimiter), [])
    except csv.Error as error:
        raise Unreadable(f"the first line is no header of a CSV file: {error}") from None
    source.seek(3 if mark else 0)
    return [name.strip() for name in names], delimiter


def _batch_size(names: Sequence[str]) -> int:
    """Rows that are read at once."""
    return max(_VALUES_OF_BATCH // max(len(names), 1), 1)


def _label_among(names: Sequence[str], order: Order) -> str:
    """The name of the column of labels, if the names of all columns are right."""
    if len(names) > _MOST_COLUMNS:
        raise Unreadable(
            f"the file has {len(names):,} columns; at most {_MOST_COLUMNS:,} are taken"
        )
    label = order.label_column or _LABEL
    if label not in names:
        shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
        raise Unreadable(
            f"there is no column '{label[:100]}'; the columns are {shown[:500]}; name the column "
            "of labels with label_column"
        )
    name, times = Counter(names).most_common(1)[0]
    if times > 1:
        raise Unreadable(f"the column '{name[:100]}' is there twice; give each a name of its own")
    features = [name for name in names if name not in (label, _SPLIT)]
    if not features:
        raise Unreadable("there is no column of features beside the labels")
    for name in features:
        if _INDEX.fullmatch(name):
            raise Unreadable(
                f"the column {names.index(name) + 1} with the name '{name}' seems to be an index, "
                "not a feature; leave it out (index=False in pandas), or give it a name"
            )
    return label


def _check_type(column: Column, is_text: bool) -> None:
    """Check the type of a column of a Parquet file."""
    kind = column.type
    numbers = (
        DataType.is_integer,
        DataType.is_floating,
        DataType.is_decimal,
        DataType.is_boolean,
    )
    texts = (DataType.is_string, DataType.is_large_string, DataType.is_string_view)
    value = (kind.value_type if DataType.is_dictionary(kind) else None) or kind
    if not any(known(value) for known in (numbers + texts if is_text else numbers)):
        expected = "text or numbers" if is_text else "numbers"
        shown = str(kind).strip().partition("<")[2].removesuffix(">")
        raise Unreadable(f"the column '{column.name[:100]}' is {shown[:100]}; expected {expected}")


def _converted(
    kind: Format,
    names: Sequence[str],
    label: str,
    reader: RecordBatchReader,
    target: BinaryIO,
    order: Order,
) -> Converted:
    features = [name for name in names if name not in (label, _SPLIT)]
    classes: dict[str, int] = {}
    parts: dict[str, _Rows] = {}
    count = 0
    with ExitStack() as files:
        for batch in _batches(reader, kind):
            first = count + 1
            count += batch.num_rows
            check_size(count * (4 * len(features) + 4), order.most_bytes)
            columns = dict(zip(names, batch.columns, strict=True))
            labels = _labels(label, columns[label], first, classes, order.most_classes)
            values = np.stack([_numbers(name, columns[name], first) for name in features], axis=1)
            for part, chosen in _chosen(columns.get(_SPLIT), batch.num_rows, first):
                if part not in parts:
                    parts[part] = _Rows(files.enter_context(TemporaryFile()))
                parts[part].labels.extend(labels[chosen].tolist())
                parts[part].features.write(values[chosen].data)
        check_classes(len(classes), order.most_classes)
        ordered = in_order(classes)
        places = {name: place for place, name in enumerate(ordered)}
        numbers = np.array([places[name] for name in classes], np.int32)
        found = {
            part: Part(numbers[np.asarray(rows.labels)], rows.stored())
            for part, rows in parts.items()
        }
        remarks = written(target, (len(features),), np.float32, found, ordered)
    return Converted(format=kind, class_names=tuple(ordered), remarks=remarks)


def _batches(reader: RecordBatchReader, kind: Format) -> Iterator[Any]:
    """The batches of a table."""
    while True:
        with _readable(kind):
            batch = next(reader, None)
        if batch is None:
            return
        if batch.num_rows:
            yield batch


@contextmanager
def _readable(kind: Format) -> Iterator[None]:
    """Turns the errors of the library, which are of no common class, into `Unreadable`."""
    try:
        yield
    except (MemoryError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # A panic of the library is no Exception.
        said = _INNER.sub("", str(error)) or type(error).__name__
        raise Unreadable(f"the file is no readable {_SHOWN_AS[kind]}: {said[:200]}") from None


def _numbers(name: str, column: Any, first: int) -> NDArray[np.float32]:
    """The values of a column as float32; `first` is the number of its first row."""
    with _readable("parquet"):
        cast = column.cast(DataType.float64())  # What is no number becomes null.
    if cast.null_count:
        values = np.array([_number(value) for value in column.to_pylist()])
    else:
        values = cast.to_numpy()
    with np.errstate(over="ignore"):
        stored = values.astype(np.float32)
    wrong = np.flatnonzero(~np.isfinite(stored))
    if len(wrong):
        value = column[int(wrong[0])].as_py()
        found = "nothing" if value in (None, "") else repr(str(value)[:60])
        raise Unreadable(
            f"the column '{name[:100]}' has {found} in row {first + wrong[0]}; expected a finite "
            "number in each row"
        )
    return stored


def _number(value: Any) -> float:
    """A value as a number; not a number if it is none."""
    if isinstance(value, str):
        value = value.strip() if _NUMBER.fullmatch(value.strip()) else None
    return math.nan if value is None else float(value)


def _labels(
    name: str, column: Any, first: int, classes: dict[str, int], most: int
) -> NDArray[np.int32]:
    """A number for each label, in the order in which they first appear; new ones are added."""
    known: dict[Any, int] = {}
    labels = column.to_pylist()
    for row, label in enumerate(labels, first):
        if label in known:
            continue
        text = "" if label is None else str(label).strip()
        if not text:
            raise Unreadable(f"the column '{name[:100]}' has no label in row {row}")
        if not isinstance(label, str | int):
            raise Unreadable(
                f"the column '{name[:100]}' has {text[:60]} in row {row}; expected a class: text "
                "or a whole number"
            )
        known[label] = classes.setdefault(class_name(text), len(classes))
        if len(classes) > most:
            raise Unreadable(f"the column '{name[:100]}' has more than {most:,} classes")
    return np.array([known[label] for label in labels], np.int32)


def _chosen(split: Any, length: int, first: int) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """The rows of each part."""
    if split is None:
        yield "", np.ones(length, np.bool_)
        return
    parts = []
    for row, value in enumerate(split.to_pylist(), first):
        part = SPLITS.get(str(value).strip().lower())
        if part is None:
            raise Unreadable(
                f"the column '{_SPLIT}' has {str(value)[:60]!r} in row {row}; expected train, test "
                "or validation"
            )
        parts.append(part)
    found = np.array(parts)
    for part in dict.fromkeys(parts):
        yield part, found == part
