"""What a data set is: facts that a plan can read, and arrays that a training reads."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Normalisation = Literal["unit", "standard", "none"]
"""``unit``: bytes into [0, 1], where floats are already. ``standard``: mean 0 and deviation 1 per
channel of the training data. ``none``: as they are stored."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a data set before it is loaded."""

    shape: tuple[int, ...]
    """Of one sample: (height, width, channels) or (features,)."""
    classes: int
    train: int
    """Training samples, those for validation among them."""
    test: int


@dataclass(frozen=True)
class Arrays:
    """A loaded data set, as stored: not yet normalised, not yet split for validation.

    Attributes:
        x_train, x_test: samples [n, *shape], uint8 or float32.
        y_train, y_test: labels [n], int32, in [0, classes).
        scale: what a sample is divided by to lie in [0, 1] (255 for bytes).
        held_out: how many of the last training samples are those for validation, for every seed;
            0 where each seed draws its own.
        digest: SHA-256 of shapes, dtypes and bytes; part of a trunk's identity.
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
        """What they take of memory."""
        return sum(a.nbytes for a in (self.x_train, self.y_train, self.x_test, self.y_test))


class DatasetContract(Protocol):
    """A data set's `kind`, how it is split and normalised, and where it comes from."""

    @property
    def validation(self) -> int:
        """How many training samples are set aside."""
        ...

    @property
    def normalisation(self) -> Normalisation: ...

    @property
    def facts(self) -> Facts: ...

    def load(self, directory: Path | None) -> Arrays:
        """Read the arrays.

        Args:
            directory: where ``NAME.npz`` is looked for first.

        Raises:
            DatasetMissing: when the file cannot be had; the message names the setting.
        """
        ...
