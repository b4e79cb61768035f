"""Turns scores into masks, in the same way for every criterion.

The surviving weights are ranked by their scores. Exactly k of them are kept. Ties are broken by the
seed. Pruned weights stay pruned.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor

import numpy as np
from numpy.typing import NDArray

from lth.core.errors import Diverged, NothingToPrune, SpecError
from lth.core.seeds import Purpose, generator
from lth.pruning.criteria import CriterionContract, Survivors
from lth.pruning.schedules import ScheduleContract
from lth.pruning.scopes import Role, ScopeContract

Mask = NDArray[np.bool_]
"""A mask in the shape of its kernel; True = kept."""

Kernel = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PrunableLayer:
    """A layer to be pruned; every array has the shape of its kernel.

    Attributes:
        name: unique within the network.
        role: decides the layer's rate.
        initial: the weights at the start of the current training, float32.
        final: the weights at its end, float32.
        gradient: gradient of the training loss at `initial`, float32; only if the criterion needs
            it.
    """

    name: str
    role: Role
    initial: Kernel
    final: Kernel
    gradient: Kernel | None = None


def all_kept(layers: Sequence[PrunableLayer]) -> dict[str, Mask]:
    """The masks of the dense network."""
    return {layer.name: np.ones(layer.final.shape, np.bool_) for layer in layers}


def prune(
    layers: Sequence[PrunableLayer],
    masks: Mapping[str, Mask],
    criterion: CriterionContract,
    schedule: ScheduleContract,
    scope: ScopeContract,
    level: int,
    seed: int,
) -> dict[str, Mask]:
    """The masks of a level.

    A layer keeps size x density weights, rounded half up. Under a global scope, the layers that
    take part keep as many together, and each of them at least one. A layer that already has fewer
    survivors keeps all of them.

    Args:
        layers: the prunable layers, in the order of the network.
        masks: the masks of the level before, by layer name.
        criterion: scores the surviving weights; the largest scores are kept.
        schedule: the density at each level.
        scope: which weights are ranked together, and the rate of each layer.
        level: the pruning round, from 1.
        seed: seed of the trial; ties and random criteria have their own streams of it.

    Returns:
        The masks by layer name; True = kept.

    Raises:
        NothingToPrune: if there is no layer, or the scope excludes all layers.
        SpecError: if the criterion needs a gradient that is missing, or a score is not finite.
        Diverged: if the trained weights are not finite.
    """
    if not layers:
        raise NothingToPrune("the network has no prunable weight; give it a lottery layer")
    if not any(scope.rate(layer.role) for layer in layers):
        roles = ", ".join(sorted({layer.role for layer in layers}))
        raise NothingToPrune(f"the scope's rates are 0 for all layers of the network ({roles})")
    kept = {layer.name: masks[layer.name] for layer in layers}
    for number, group in enumerate(_competitions(layers, scope)):
        wanted = sum(
            layer.final.size * schedule.densities(scope.rate(layer.role))[level - 1]
            for layer in group
        )
        draws = generator(seed, Purpose.CRITERION, level, number)
        ties = generator(seed, Purpose.TIES, level, number)
        _compete(group, kept, criterion, _rounded(wanted), draws, ties)
    return kept


def density(masks: Mapping[str, Mask]) -> float:
    """The kept share of all prunable weights."""
    return sum(map(np.count_nonzero, masks.values())) / sum(mask.size for mask in masks.values())


def largest(scores: NDArray[np.floating], count: int, rng: np.random.Generator) -> Mask:
    """A mask of the `count` >= 1 largest of `scores` [n]; ties at the cut are broken by `rng`."""
    if count >= scores.size:
        return np.ones(scores.size, np.bool_)
    cut = np.partition(scores, scores.size - count)[scores.size - count]
    chosen = scores > cut
    ties = np.flatnonzero(scores == cut)
    missing = count - np.count_nonzero(chosen)
    chosen[ties if missing == ties.size else rng.permutation(ties)[:missing]] = True
    return chosen


def _competitions(
    layers: Sequence[PrunableLayer], scope: ScopeContract
) -> list[Sequence[PrunableLayer]]:
    """The groups of layers whose weights are ranked together.

    A global scope ranks all layers in one group, except those that it excludes.
    """
    if scope.ranks_together:
        return [[layer for layer in layers if scope.rate(layer.role) > 0]]
    return [[layer] for layer in layers]


def _compete(
    group: Sequence[PrunableLayer],
    kept: dict[str, Mask],
    criterion: CriterionContract,
    wanted: int,
    draws: np.random.Generator,
    ties: np.random.Generator,
) -> None:
    """Rank the survivors of a group, and write the masks of the best ones into `kept`.

    Args:
        group: layers that are ranked together.
        kept: the masks of all layers; those of the group are replaced.
        criterion: scores the survivors.
        wanted: how many weights of the group are kept.
        draws: random stream for the criterion.
        ties: random stream for equal scores.
    """
    alive = [np.flatnonzero(kept[layer.name]) for layer in group]
    cuts = np.cumsum([places.size for places in alive])[:-1]
    total = sum(places.size for places in alive)
    keep = min(max(wanted, len(group)), total)
    if keep == total:
        return
    survivors = Survivors(
        initial=_gathered([layer.initial for layer in group], alive),
        final=_gathered([layer.final for layer in group], alive),
        gradient=_gradients(group, alive, criterion),
        keep=keep,
    )
    scores = _scored(survivors, criterion, draws, group)
    chosen = np.split(largest(scores, keep, ties), cuts)
    if not all(part.any() for part in chosen):
        chosen = np.split(_none_emptied(scores, keep, cuts, ties), cuts)
    for layer, places, part in zip(group, alive, chosen, strict=True):
        mask = np.zeros(layer.final.size, np.bool_)
        mask[places[part]] = True
        kept[layer.name] = mask.reshape(layer.final.shape)


def _none_emptied(
    scores: NDArray[np.floating],
    keep: int,
    cuts: NDArray[np.integer],
    rng: np.random.Generator,
) -> Mask:
    """The largest scores, with the best of each layer first, so that no layer loses all weights."""
    raised = scores.astype(np.float64)
    starts = [0, *cuts]
    for start, part in zip(starts, np.split(scores, cuts), strict=True):
        raised[start : start + part.size][largest(part, 1, rng)] = np.inf
    return largest(raised, keep, rng)


def _scored(
    survivors: Survivors,
    criterion: CriterionContract,
    rng: np.random.Generator,
    group: Sequence[PrunableLayer],
) -> NDArray[np.floating]:
    where = ", ".join(layer.name for layer in group)
    if not np.isfinite(survivors.final).all():
        raise Diverged(f"the trained weights of {where} are not finite, so they cannot be ranked")
    scores = criterion.scores(survivors, rng)
    if scores.shape != survivors.final.shape:
        raise SpecError(
            f"'{criterion.kind}' gave scores of shape {list(scores.shape)} for "
            f"{survivors.final.size} weights of {where}; one per weight is right"
        )
    wrong = np.flatnonzero(~np.isfinite(scores))
    if wrong.size:
        raise SpecError(
            f"'{criterion.kind}' gave {wrong.size} scores that are not finite for {where}, the "
            f"first of them {scores[wrong[0]]}; a score must be a finite number"
        )
    return scores


def _gradients(
    group: Sequence[PrunableLayer], alive: Sequence[NDArray[np.intp]], criterion: CriterionContract
) -> Kernel | None:
    if not criterion.needs_gradient:
        return None
    gradients = [layer.gradient for layer in group if layer.gradient is not None]
    if len(gradients) < len(group):
        raise SpecError(f"'{criterion.kind}' scores gradients, but none was given")
    return _gathered(gradients, alive)


def _gathered(kernels: Sequence[Kernel], alive: Sequence[NDArray[np.intp]]) -> Kernel:
    parts = [kernel.ravel()[places] for kernel, places in zip(kernels, alive, strict=True)]
    return np.concatenate(parts)


def _rounded(value: float) -> int:
    """Round half up; 2.4999999996 counts as 2.5, because it is a rounding error of floats."""
    return floor(round(value, 6) + 0.5)
