"""The order to a converting process, and its answer, as JSON."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Format = Literal["images", "csv", "parquet"]
"""The formats that are converted."""


class Unreadable(ValueError):
    """The file is no data set; the message says what would be right."""


class Order(BaseModel):
    """What to convert.

    Attributes:
        source, target: descriptors of open files.
        label_column: name of the column of labels in a table; None for the usual name.
        most_bytes: bound on the bytes of all arrays.
        most_values: bound on the values of a sample.
        most_classes: bound on the number of classes.
    """

    model_config = ConfigDict(frozen=True)

    source: int
    target: int
    label_column: str | None
    most_bytes: int
    most_values: int
    most_classes: int


class Converted(BaseModel):
    """What was converted.

    Attributes:
        format: the format of the file.
        class_names: the name of each class, in the order of the labels.
        remarks: decisions that the file did not ask for, each of one sentence.
    """

    model_config = ConfigDict(frozen=True)

    format: Format
    class_names: tuple[str, ...]
    remarks: tuple[str, ...] = ()


class Answer(BaseModel):
    """Either `converted`, or `error`: why the file is no data set; or the disk is full."""

    model_config = ConfigDict(frozen=True)

    converted: Converted | None = None
    error: str | None = None
    disk_full: bool = False
