"""A data set that was uploaded to the service."""

from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationInfo, field_validator
from pydantic.json_schema import SkipJsonSchema

from lth.core.errors import DatasetMissing
from lth.core.family import Member
from lth.datasets._base import Arrays, Facts, Normalisation

TEST_SHARE = 5
"""If an upload has no test data, one of this many samples is set aside for testing."""


class Uploaded(Member):
    """A data set that was uploaded to the service, by its id.

    A spec gives `id`, and optionally `validation`, which defaults to a tenth of the training
    samples. The service fills in the other fields, so that a plan needs no lookup.
    """

    kind: Literal["uploaded"]
    id: str = Field(pattern=r"^ds_[0-9a-f]{32}$", examples=["ds_0199f0c2a5d87c3e8a51f2f7f9d1c001"])
    digest: SkipJsonSchema[str] = Field(pattern=r"^[0-9a-f]{64}$")
    facts: SkipJsonSchema[Facts]
    validation: int = Field(
        default=0,
        ge=0,
        validate_default=True,
        description="samples for validation; 0: a tenth of the training samples",
    )
    normalisation: Normalisation = "unit"

    @field_validator("validation")
    @classmethod
    def _leaves_some(cls, validation: int, info: ValidationInfo) -> int:
        if "facts" not in info.data:
            return validation
        train = info.data["facts"].train
        if validation >= train:
            raise ValueError(
                f"{validation} samples for validation leave nothing of the {train} training "
                f"samples; give at most {train - 1}"
            )
        return validation or max(train // 10, 1)

    def load(self, directory: Path | None) -> Arrays:
        path = None if directory is None else directory / f"{self.id}.npz"
        if path is None or not path.is_file():
            raise DatasetMissing(f"the uploaded data set '{self.id}' is in the service's store")
        with path.open("rb") as file:
            return self.read(file)

    def read(self, file: BinaryIO) -> Arrays:
        """The arrays of the uploaded file, which the service has checked."""
        with np.load(file, allow_pickle=False) as members:
            arrays = {name: members[name] for name in members.files}
        names = ("x_train", "y_train", "x_test", "y_test")
        found = apart(arrays["x"], arrays["y"]) if "x" in arrays else [arrays[n] for n in names]
        x_train, y_train, x_test, y_test = found
        return Arrays(
            as_samples(x_train),
            as_labels(y_train),
            as_samples(x_test),
            as_labels(y_test),
            scale=255.0 if x_train.dtype == np.uint8 else 1.0,
        )


def apart(x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Samples and labels for training and for testing, independent of the seed."""
    order = np.random.Generator(np.random.PCG64(0)).permutation(len(x))
    test, train = order[: len(x) // TEST_SHARE], order[len(x) // TEST_SHARE :]
    return x[train], y[train], x[test], y[test]


def as_samples(x: NDArray[np.generic]) -> NDArray[np.generic]:
    """Samples as stored; grayscale images get a channel axis."""
    return np.ascontiguousarray(x[..., np.newaxis] if x.ndim == 3 else x)


def as_labels(y: NDArray[np.generic]) -> NDArray[np.int32]:
    """Labels [n] or [n, 1] as they are stored."""
    return np.ascontiguousarray(y.reshape(len(y)).astype(np.int32))
