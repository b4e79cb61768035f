"""From scores to masks: exactly so many survivors, nested in those of the level before.

A criterion only scores. Here the scores become masks, the same way for every criterion: the
survivors are ranked once, exactly k of them are kept, ties fall in a seeded random order, and what
is pruned stays pruned.
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
from lth.pruning.scopes import GlobalScope, Role, ScopeContract

Mask = NDArray[np.bool_]
"""Of a kernel's own shape; True = kept."""

Kernel = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PrunableLayer:
    """A layer when it is pruned; every array has its kernel's shape.

    Attributes:
        name: unique within the network.
        role: decides the layer's rate.
        initial: the weights that the current training started from, float32.
        final: the same weights after it, float32.
        gradient: of the training loss at `initial`, float32; only for criteria that ask for it.
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
    """The masks of a level, given those of the level before.

    A layer keeps size x density weights, rounded half up; under a global scope the layers that
    take part keep as many together, each of them one at least. A layer that has fewer survivors
    already keeps them all.

    Args:
        layers: the network's prunable layers, in order.
        masks: of the level before, by the layer's name.
        criterion: scores the survivors; the largest scores are kept.
        schedule: the density at each level.
        scope: who competes with whom, and each layer's rate.
        level: the round that is done, from 1.
        seed: of the trial; ties and criteria that draw have their own streams of it.

    Raises:
        NothingToPrune: when there is no layer, or the scope leaves out all there are.
        SpecError: when the criterion lacks a gradient, or gives a score that is not finite.
        Diverged: when the trained weights themselves are not finite.
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
    """The share of all prunable weights that is kept."""
    return sum(map(np.count_nonzero, masks.values())) / sum(mask.size for mask in masks.values())


def largest(scores: NDArray[np.floating], count: int, rng: np.random.Generator) -> Mask:
    """Where the `count` >= 1 largest of `scores` [n] are; ties at the cut fall in random order."""
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
    """The layers whose weights are ranked together, group by group.

    A global scope ranks all layers but those that it leaves out, which are in no group.
    """
    if isinstance(scope, GlobalScope):
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
    """Rank a group's survivors, and write the masks of the `wanted` best into `kept`.

    Args:
        group: layers that are ranked together.
        kept: the masks of all layers; those of the group are replaced.
        criterion: scores the survivors.
        wanted: how many of the group's weights are to survive.
        draws: for a criterion that draws.
        ties: decides among equal scores.
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
    """The largest scores, but the best of each layer first: no layer is cut off."""
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
    """To the nearest whole number, halves up; 2.4999999996 is a half that floats have spoilt."""
    return floor(round(value, 6) + 0.5)
