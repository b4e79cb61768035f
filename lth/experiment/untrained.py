"""Evaluates a masked network before its training."""

from collections.abc import Mapping

import numpy as np

from lth.engine.variables import Weights
from lth.experiment.context import Context
from lth.pruning.masks import Mask
from lth.pruning.pruned_values import rescaled, signed_constant
from lth.results.schemas import Untrained


def untrained_scores(
    context: Context,
    weights: Weights,
    masks: Mapping[str, Mask],
    frozen: Mapping[str, np.ndarray] | None,
) -> Untrained:
    """Test scores of a masked network: as it is, with signed constants, and rescaled.

    Args:
        context: network and data.
        weights: after the reset, float32 by path.
        masks: bool by layer name; True = kept.
        frozen: constant values of pruned weights, float32 by layer name; None if they are zero.

    Reference: Zhou et al. 2019, arXiv:1905.01067, section 5.
    """
    program, data = context.program(frozen is not None), context.data
    program.load(weights, masks, frozen)
    masked = program.evaluate(data, data.test)
    constant, scaled = dict(weights), dict(weights)
    for place in context.places:
        kernel, mask = weights[place.kernel], masks[place.name]
        stddev = float(np.std(context.initial_weights[place.kernel]))
        constant[place.kernel] = signed_constant(kernel, mask, stddev)
        scaled[place.kernel] = rescaled(kernel, mask)
    program.swap(constant)
    signed = program.evaluate(data, data.test)
    program.swap(scaled)
    return Untrained(
        masked=masked, signed_constant=signed, rescaled=program.evaluate(data, data.test)
    )
