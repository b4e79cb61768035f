"""A criterion that a notebook gives as a function or an object."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lth.core.external import External
from lth.pruning.criteria._base import Survivors


class ExternalCriterion(External):
    """A criterion of the user.

    The function takes `Survivors` and a random stream, and returns a finite score for each
    surviving weight, shape [n]. With an attribute ``needs_gradient = True`` it gets gradients.
    """

    family: ClassVar[str] = "criterion"
    method: ClassVar[str] = "scores"
    as_function: ClassVar[bool] = True

    needs_gradient: bool = False

    @classmethod
    def facts(cls, value: Any) -> Mapping[str, Any]:
        return {"needs_gradient": bool(getattr(value, "needs_gradient", False))}

    def scores(self, weights: Survivors, rng: np.random.Generator) -> NDArray[np.floating]:
        returned = np.asarray(self.call(weights, rng))
        right = f"a finite score for each of the {weights.final.size} surviving weights"
        if returned.shape != weights.final.shape:
            raise self.wrong(f"an array of shape {list(returned.shape)}", right)
        if returned.dtype.kind not in "fiub":
            raise self.wrong(f"an array of {returned.dtype}", right)
        scores = returned.astype(np.float64)
        if not np.isfinite(scores).all():
            raise self.wrong(f"{np.count_nonzero(~np.isfinite(scores))} values that are not", right)
        return scores
