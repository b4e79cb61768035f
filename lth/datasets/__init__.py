"""The data sets that a spec may name.

To add one, extend `Dataset`; other packages add members through the entry-point group
``lth.datasets``.
"""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from lth.core.extensions import extended
from lth.core.family import ByName
from lth.datasets._base import Arrays, DatasetContract, Facts, Normalisation
from lth.datasets._files import SETTING
from lth.datasets.arrays import ArrayDataset
from lth.datasets.digits import Digits
from lth.datasets.images import Cifar10, Cifar100, FashionMnist, Mnist, file_of, present
from lth.datasets.uploaded import Uploaded

Dataset = Annotated[
    Digits | Mnist | FashionMnist | Cifar10 | Cifar100 | Uploaded,
    Field(discriminator="kind"),
    ByName(),
]
if not TYPE_CHECKING:
    Dataset = extended(Dataset, "lth.datasets", ("load",))

__all__ = [
    "SETTING",
    "ArrayDataset",
    "Arrays",
    "Cifar10",
    "Cifar100",
    "Dataset",
    "DatasetContract",
    "Digits",
    "Facts",
    "FashionMnist",
    "Mnist",
    "Normalisation",
    "Uploaded",
    "file_of",
    "present",
]
