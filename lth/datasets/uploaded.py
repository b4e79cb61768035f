"""A data set that was uploaded to the service."""

from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from pydantic import Field, ValidationInfo, field_validator
from pydantic.json_schema import SkipJsonSchema

from lth.core.errors import DatasetMissing
from lth.core.family import Member
from lth.datasets._base import Arrays, Facts, Normalisation
from lth.datasets.rules import assembled, check_validation, full_name, validation_samples


class Uploaded(Member):
    """A data set that was uploaded to the service, by its id.

    A spec gives `id`, and optionally `validation`, which defaults to the validation samples of the
    file, or else to a tenth of the training samples. The service fills in the other fields, so that
    a plan needs no lookup.
    """

    kind: Literal["uploaded"]
    id: str = Field(pattern=r"^ds_[0-9a-f]{32}$", examples=["ds_0199f0c2a5d87c3e8a51f2f7f9d1c001"])
    digest: SkipJsonSchema[str] = Field(pattern=r"^[0-9a-f]{64}$")
    facts: SkipJsonSchema[Facts]
    validation: int = Field(
        default=0,
        ge=0,
        validate_default=True,
        description="samples for validation; 0: those of the file, or else a tenth of the training "
        "samples",
    )
    normalisation: Normalisation = "unit"

    @field_validator("validation")
    @classmethod
    def _leaves_some(cls, validation: int, info: ValidationInfo) -> int:
        if "facts" not in info.data:
            return validation
        train = info.data["facts"].train
        samples = validation_samples(validation, train)
        check_validation(samples, train)
        return samples

    def load(self, directory: Path | None) -> Arrays:
        path = None if directory is None else directory / f"{self.id}.npz"
        if path is None or not path.is_file():
            raise DatasetMissing(f"the uploaded data set '{self.id}' is in the service's store")
        with path.open("rb") as file:
            return self.read(file)

    def read(self, file: BinaryIO) -> Arrays:
        """The arrays of the uploaded file, which the service has checked."""
        with np.load(file, allow_pickle=False) as members:
            return assembled({full_name(name): members[name] for name in members.files})
