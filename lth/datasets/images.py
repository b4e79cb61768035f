"""The image data sets of the papers, each a file of four arrays of bytes."""

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lth.core.errors import SpecError
from lth.core.family import Member, kind_of
from lth.datasets._base import Arrays, Facts, Normalisation
from lth.datasets._files import find, is_present
from lth.datasets.rules import as_labels, check_labels


class _Images(Member):
    """Base of data sets of images; the file has the name of the member."""

    known: ClassVar[Facts]

    validation: int = Field(default=5_000, ge=1, le=40_000, description="samples for validation")
    normalisation: Normalisation = "unit"

    @property
    def facts(self) -> Facts:
        return self.known

    def load(self, directory: Path | None) -> Arrays:
        name, facts = kind_of(type(self)), self.known
        found = find(name, directory)
        return Arrays(
            _pixels(name, "x_train", found["x_train"], facts.train, facts.shape),
            _labels(name, "y_train", found["y_train"], facts.train, facts.classes),
            _pixels(name, "x_test", found["x_test"], facts.test, facts.shape),
            _labels(name, "y_test", found["y_test"], facts.test, facts.classes),
            scale=255.0,
        )


class Mnist(_Images):
    """MNIST: 70,000 handwritten digits of 28 x 28 pixels, 10,000 of them for testing.

    Reference: LeCun et al. 1998, "Gradient-based learning applied to document recognition".
    """

    known = Facts(shape=(28, 28, 1), classes=10, train=60_000, test=10_000)

    kind: Literal["mnist"]


class FashionMnist(_Images):
    """Fashion-MNIST: 70,000 pictures of clothing of 28 x 28 pixels, 10,000 of them for testing.

    Reference: Xiao et al. 2017, arXiv:1708.07747.
    """

    known = Facts(shape=(28, 28, 1), classes=10, train=60_000, test=10_000)

    kind: Literal["fashion_mnist"]


class Cifar10(_Images):
    """CIFAR-10: 60,000 colour pictures of 32 x 32 pixels in 10 classes, 10,000 for testing.

    Reference: Krizhevsky 2009, "Learning multiple layers of features from tiny images".
    """

    known = Facts(shape=(32, 32, 3), classes=10, train=50_000, test=10_000)

    kind: Literal["cifar10"]
    normalisation: Normalisation = "standard"


class Cifar100(_Images):
    """CIFAR-100: 60,000 colour pictures of 32 x 32 pixels in 100 classes, 10,000 for testing.

    Reference: Krizhevsky 2009, "Learning multiple layers of features from tiny images".
    """

    known = Facts(shape=(32, 32, 3), classes=100, train=50_000, test=10_000)

    kind: Literal["cifar100"]
    normalisation: Normalisation = "standard"


def file_of(dataset: Any) -> str | None:
    """The name of the file that a data set is read from; None if it needs none."""
    return kind_of(type(dataset)) if isinstance(dataset, _Images) else None


def present(directory: Path | None) -> list[str]:
    """The data sets that can be loaded without a download.

    Args:
        directory: the first place to look for ``NAME.npz``.
    """
    names = map(kind_of, _Images.__subclasses__())
    return [name for name in names if is_present(name, directory)]


def _pixels(
    name: str, what: str, array: NDArray[np.generic], samples: int, shape: tuple[int, ...]
) -> NDArray[np.uint8]:
    grey = (samples, *shape[:-1]) if shape[-1] == 1 else None
    if array.dtype != np.uint8 or array.shape not in ((samples, *shape), grey):
        raise SpecError(
            f"{what} of '{name}' is {array.dtype} {list(array.shape)}; "
            f"expected uint8 {[samples, *shape]}, pixels from 0 to 255"
        )
    return array.astype(np.uint8, copy=False).reshape(samples, *shape)


def _labels(
    name: str, what: str, array: NDArray[np.generic], samples: int, classes: int
) -> NDArray[np.int32]:
    check_labels(f"{what} of '{name}'", array, [array], samples, classes)
    return as_labels(array)
