"""The contract of a data set: facts for the plan, and arrays for the training."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Normalisation = Literal["unit", "standard", "none"]
"""``unit``: bytes are scaled to [0, 1], and floats are in [0, 1] already. ``standard``: mean 0 and
deviation 1 for each channel of the training data. ``none``: as stored."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts that are known before the data set is loaded."""

    shape: tuple[int, ...]
    """Shape of a sample: (height, width, channels) or (features,)."""
    classes: int
    train: int
    """Number of training samples, including the validation samples."""
    test: int


@dataclass(frozen=True)
class Arrays:
    """A loaded data set as stored: not normalized, not split for validation.

    Attributes:
        x_train, x_test: samples [n, *shape], uint8 or float32.
        y_train, y_test: labels [n], int32, in [0, classes).
        scale: divisor that scales samples to [0, 1] (255 for bytes).
        held_out: how many of the last training samples are always the validation samples; 0 if each
            seed draws its own.
        digest: SHA-256 of shapes, dtypes and bytes; part of the identity of a trunk.
    """

    x_train: NDArray[np.generic]
    y_train: NDArray[np.int32]
    x_test: NDArray[np.generic]
    y_test: NDArray[np.int32]
    scale: float
    held_out: int = 0
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha256()
        for array in (self.x_train, self.y_train, self.x_test, self.y_test):
            digest.update(f"{array.shape}{array.dtype.str}".encode())
            digest.update(np.ascontiguousarray(array).data)
        digest.update(repr(self.scale).encode())
        if self.held_out:
            digest.update(f"held out {self.held_out}".encode())
        object.__setattr__(self, "digest", digest.hexdigest())

    @property
    def nbytes(self) -> int:
        """Size of the arrays in bytes."""
        return sum(a.nbytes for a in (self.x_train, self.y_train, self.x_test, self.y_test))


class DatasetContract(Protocol):
    """The contract of a data set: `kind`, validation split, normalization and source."""

    @property
    def validation(self) -> int:
        """Number of validation samples."""
        ...

    @property
    def normalisation(self) -> Normalisation: ...

    @property
    def facts(self) -> Facts: ...

    def load(self, directory: Path | None) -> Arrays:
        """Read the arrays.

        Args:
            directory: the first place to look for ``NAME.npz``.

        Raises:
            DatasetMissing: if the file was not found; the message names the setting.
        """
        ...
