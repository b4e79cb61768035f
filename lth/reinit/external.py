"""A reset that a notebook gives as a function or an object."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lth.core.durations import START, Point
from lth.core.external import External
from lth.reinit._base import Kernel, KernelState


class ExternalReinit(External):
    """A reset of the user.

    The function takes a `KernelState` and a random stream, and returns the new kernel. Attributes
    ``rewind_point`` (default "0it"), ``restores`` (default True) and a method ``learning_rates``
    have the meanings of `ReinitContract`.
    """

    family: ClassVar[str] = "reset"
    method: ClassVar[str] = "reset"
    as_function: ClassVar[bool] = True

    rewind_point: Point = START
    restores: bool = True

    @classmethod
    def facts(cls, value: Any) -> Mapping[str, Any]:
        names = ("rewind_point", "restores")
        return {name: getattr(value, name) for name in names if hasattr(value, name)}

    def reset(self, kernel: KernelState, rng: np.random.Generator) -> Kernel:
        returned = np.asarray(self.call(kernel, rng))
        right = f"finite weights in the shape {list(kernel.mask.shape)}"
        if returned.shape != kernel.mask.shape:
            raise self.wrong(f"an array of shape {list(returned.shape)}", right)
        if returned.dtype.kind not in "fiu":
            raise self.wrong(f"an array of {returned.dtype}", right)
        weights = returned.astype(np.float32)
        if not np.isfinite(weights[kernel.mask]).all():
            raise self.wrong("weights that are not finite", right)
        return np.where(kernel.mask, weights, np.float32(0))

    def learning_rates(self, rates: NDArray[np.float32]) -> NDArray[np.float32]:
        own = getattr(self.given, "learning_rates", None)
        if own is None:
            return rates
        changed = np.asarray(own(rates), np.float32)
        if changed.shape != rates.shape or not np.isfinite(changed).all():
            raise self.wrong(
                f"learning rates of shape {list(changed.shape)}", f"{rates.size} finite rates"
            )
        return changed
