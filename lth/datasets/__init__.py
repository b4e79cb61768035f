"""The data sets a spec may name. One class a member; add it to `Dataset`."""

from typing import Annotated

from pydantic import Field

from lth.datasets._base import Arrays, DatasetContract, Facts
from lth.datasets.digits import Digits
from lth.family import by_name

Dataset = Annotated[Digits, Field(discriminator="kind"), by_name()]

__all__ = ["Arrays", "Dataset", "DatasetContract", "Digits", "Facts"]
