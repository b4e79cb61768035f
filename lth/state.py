"""All that an experiment has come to, and its bytes: a trunk is a checkpoint after level 0."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from zipfile import BadZipFile

import numpy as np

from lth.engine.level import Best, Level, LevelState, Point
from lth.engine.network import Weights
from lth.engine.program import Totals
from lth.errors import CheckpointUnreadable, SpecError
from lth.masks import Mask, density, layer_table
from lth.npz import decode, encode, header_of, named, section
from lth.packing import Packed, pack, unpack
from lth.plan import ENGINE_VERSION
from lth.problems import valid
from lth.reinit import Reinit, ReinitContract, Rewind
from lth.results import At, LevelResult, Scores, Untrained

FORMAT = 3
"""Counts changes of what a checkpoint is written as; one of another format is not read."""


@dataclass
class TrainedLevel:
    """A finished level.

    Attributes:
        result: what is known of it.
        masks: bool of each kernel's shape, by layer name; True = kept.
        weights: at the end of its training, float32 by path, such as ``linear_1/kernel``; zero
            where pruned.
    """

    result: LevelResult
    masks: dict[str, Mask]
    weights: Weights


@dataclass
class ExperimentState:
    """An experiment between two steps of its work.

    Attributes:
        level: the level that is in training, or was trained last.
        masks: of this level, bool by layer name.
        frozen: constant values of pruned weights by layer name, or None where they are zero.
        start: the weights that this level's training starts from.
        rewinds: the weights of level 0 after the steps that some reset returns to.
        finished: the levels that are done, from 0.
        current: the training under way, or None between levels.
        reset: what the survivors went through before this level; it decides on the rates of its
            training, and on where in the schedule that begins.
        origin: what it began with: the trial's seed, the training and the data, as text by name.
        method: what the experiment follows to its last level, or the steps taken by hand, as text.
    """

    level: int
    masks: dict[str, Mask]
    start: Weights
    frozen: dict[str, np.ndarray] | None = None
    rewinds: dict[int, Weights] = field(default_factory=dict)
    finished: list[TrainedLevel] = field(default_factory=list)
    current: LevelState | None = None
    reset: ReinitContract = field(default_factory=lambda: Rewind(kind="rewind"))
    origin: dict[str, str] = field(default_factory=dict)
    method: str = ""

    @property
    def trained(self) -> bool:
        """Whether the current level's training is done."""
        return len(self.finished) > self.level

    def dense(self) -> "ExperimentState":
        """The state as it was after level 0.

        Raises:
            SpecError: when that is not trained yet.
        """
        if not self.finished:
            raise SpecError("the dense network is not trained yet; call train() first")
        first, start = self.finished[0], self.rewinds[0]
        return ExperimentState(
            0, first.masks, start, rewinds=self.rewinds, finished=[first], origin=self.origin
        )

    def check_began_as(self, other: "ExperimentState") -> None:
        """See whether the experiment of another state may go on from this one.

        Raises:
            SpecError: when this one is of another network, seed, training or data.
        """
        ours, theirs = (
            {path: array.shape for path, array in state.start.items()} for state in (other, self)
        )
        differing = sorted(dict(ours.items() ^ theirs.items()))
        if differing:
            raise SpecError(f"this checkpoint is of another network; differing: {differing}")
        changed = [
            f"{what} was {self.origin.get(what)}, but is {here}"
            for what, here in other.origin.items()
            if self.origin.get(what) != here
        ]
        if changed:
            raise SpecError(f"this checkpoint began otherwise: {'; '.join(changed)}")

    def to_bytes(self) -> bytes:
        """The state as an npz: without pruned weights, and with what is equal only once."""
        arrays = {**named("masks", self.masks), **named("start", self.start)}
        arrays |= named("frozen", self.frozen or {})
        for step, weights in self.rewinds.items():
            arrays |= named(f"rewind-{step}", weights)
        for number, level in enumerate(self.finished):
            arrays |= named(f"level-{number}/masks", level.masks)
            arrays |= named(f"level-{number}/weights", level.weights)
        header: dict[str, Any] = {
            "format": FORMAT,
            "engine": ENGINE_VERSION,
            "level": self.level,
            "reset": valid(Reinit, self.reset, "reset").model_dump(mode="json"),
            "origin": self.origin,
            "method": self.method,
            "frozen": self.frozen is not None,
            "rewinds": list(self.rewinds),
            "finished": [level.result.model_dump(mode="json") for level in self.finished],
        }
        if self.current is not None:
            header["current"], more = _described(self.current)
            arrays |= named("current", more)
        packed = pack(arrays)
        return encode(packed.parts, {**header, "index": packed.index})

    @classmethod
    def from_bytes(cls, content: bytes) -> "ExperimentState":
        """The state that `to_bytes` wrote.

        Raises:
            CheckpointUnreadable: when it is of another format or engine.
        """
        check_readable(content)
        parts, header = decode(content)
        arrays = unpack(Packed(parts, header["index"]))
        finished = [
            TrainedLevel(
                LevelResult.model_validate(result),
                section(arrays, f"level-{number}/masks"),
                section(arrays, f"level-{number}/weights"),
            )
            for number, result in enumerate(header["finished"])
        ]
        current = header.get("current")
        return cls(
            level=header["level"],
            reset=valid(Reinit, header["reset"], "reset"),
            origin=header["origin"],
            method=header["method"],
            masks=section(arrays, "masks"),
            start=section(arrays, "start"),
            frozen=section(arrays, "frozen") if header["frozen"] else None,
            rewinds={step: section(arrays, f"rewind-{step}") for step in header["rewinds"]},
            finished=finished,
            current=current and _restored(current, section(arrays, "current")),
        )


def level_result(
    level: Level,
    trained: LevelState,
    masks: Mapping[str, Mask],
    scores: tuple[At, At],
    untrained: Untrained | None,
) -> LevelResult:
    """What is known of a level whose training is done.

    Args:
        level: what was to do.
        trained: what it has come to.
        masks: bool by layer name.
        scores: at the early stop, and at the end.
        untrained: of a pruned level.
    """
    kept = density(masks)
    samples = (trained.iteration - level.start) * level.training.batch_size
    early_stop, final = scores
    return LevelResult(
        level=level.number,
        density=kept,
        sparsity=1 - kept,
        layers=layer_table(masks),
        start=level.start,
        history=trained.history,
        early_stop=early_stop,
        final=final,
        untrained=untrained,
        seconds=trained.seconds,
        samples_per_second=samples / max(trained.seconds, 1e-9),
    )


def check_readable(content: bytes) -> None:
    """See whether bytes are a checkpoint that can be gone on from here.

    Raises:
        CheckpointUnreadable: when they are none, or were written by another version.
    """
    try:
        header = header_of(content)
        found = header["format"], header["engine"]
    except (KeyError, TypeError, ValueError, EOFError, BadZipFile) as error:
        raise CheckpointUnreadable(
            f"these {len(content):,} bytes are no checkpoint of format {FORMAT}; begin the "
            "experiment anew"
        ) from error
    if found != (FORMAT, ENGINE_VERSION):
        raise CheckpointUnreadable(
            f"this checkpoint is of format {found[0]} and engine {found[1]}; here experiments go "
            f"on from format {FORMAT} and engine {ENGINE_VERSION} only; begin it anew"
        )


def _described(state: LevelState) -> tuple[dict[str, Any], Weights]:
    """A training under way as a header and arrays."""
    arrays = {**named("weights", state.weights), **named("slots", state.slots or {})}
    for step, weights in state.kept.items():
        arrays |= named(f"kept-{step}", weights)
    header: dict[str, Any] = {
        "iteration": state.iteration,
        "slots": state.slots is not None,
        "totals": [state.totals.loss, state.totals.correct, state.totals.steps],
        "points": [
            [p.iteration, p.train_loss, p.train_accuracy, p.validation.model_dump()]
            for p in state.points
        ],
        "kept": list(state.kept),
        "seconds": state.seconds,
    }
    if state.best is not None:
        header["best"] = [state.best.iteration, state.best.validation.model_dump()]
        arrays |= named("best", state.best.weights)
    return header, arrays


def _restored(header: dict[str, Any], arrays: Weights) -> LevelState:
    best = header.get("best")
    return LevelState(
        iteration=header["iteration"],
        weights=section(arrays, "weights"),
        slots=section(arrays, "slots") if header["slots"] else None,
        totals=Totals(*header["totals"]),
        points=[Point(i, loss, acc, Scores(**val)) for i, loss, acc, val in header["points"]],
        best=best and Best(best[0], Scores(**best[1]), section(arrays, "best")),
        kept={step: section(arrays, f"kept-{step}") for step in header["kept"]},
        seconds=header["seconds"],
    )
