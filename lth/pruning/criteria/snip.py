"""Keeps weights to which the initial loss is most sensitive."""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from lth.core.errors import SpecError
from lth.core.family import Member
from lth.pruning.criteria._base import Survivors


class Snip(Member):
    """Score ``|gradient x w_initial|``, the connection sensitivity. It needs no training.

    Reference: Lee et al. 2019, arXiv:1810.02340, section 4.
    """

    needs_gradient: ClassVar[bool] = True

    kind: Literal["snip"]

    def scores(self, weights: Survivors, rng: np.random.Generator) -> NDArray[np.floating]:
        if weights.gradient is None:
            raise SpecError("'snip' scores gradients, but none was given")
        return np.abs(weights.gradient * weights.initial)
