"""An installed package that adds members to families, as a directory for ``PYTHONPATH``."""

from collections.abc import Mapping
from pathlib import Path

CRITERIA = '''
"""Criteria of another package."""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from lth.core.family import Member
from lth.pruning.criteria import Survivors


class Alternating(Member):
    """Score every second weight higher."""

    needs_gradient: ClassVar[bool] = False
    kind: Literal["alternating"]
    step: int = Field(default=2, ge=2, description="of how many weights one is kept")

    def scores(self, weights: Survivors, rng):
        return (np.arange(weights.final.size) % self.step == 0).astype(float)


class Taken(Member):
    """Has the kind of a criterion of the library."""

    needs_gradient: ClassVar[bool] = False
    kind: Literal["large_final"]

    def scores(self, weights, rng):
        return weights.final


class Incomplete(Member):
    """Has no method."""

    kind: Literal["incomplete"]
'''
NETWORKS = '''
"""Networks of another package."""

from typing import Literal

from lth.core.family import Member
from lth.networks.layers import Flatten, Linear


class Narrow(Member):
    """A narrow network."""

    kind: Literal["narrow"]

    def expand(self, input_shape, classes):
        flat = (Flatten(kind="flatten"),) if len(input_shape) > 1 else ()
        return (*flat, Linear(kind="linear", units=5, activation="relu"),
                Linear(kind="linear", units=classes))
'''


def install(folder: Path, entries: Mapping[str, Mapping[str, str]], version: str = "1.5") -> Path:
    """Install the package into a directory.

    Args:
        folder: the directory, to be put into ``PYTHONPATH``.
        entries: the entry points by group and name; values are ``module:class``.
        version: the version of the package.
    """
    package = folder / "extension"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "criteria.py").write_text(CRITERIA)
    (package / "networks.py").write_text(NETWORKS)
    info = folder / f"extension-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: extension\nVersion: {version}\n")
    lines = []
    for group, found in entries.items():
        lines += [f"[{group}]", *(f"{key} = extension.{value}" for key, value in found.items())]
    (info / "entry_points.txt").write_text("\n".join(lines))
    return folder
