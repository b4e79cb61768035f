"""All that an experiment has come to, and its bytes: a trunk is a checkpoint after level 0."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from io import SEEK_END
from typing import Any, BinaryIO
from zipfile import BadZipFile

import numpy as np

from lth.core.disk_arrays import TemporaryFile, as_file, content_of
from lth.core.errors import CheckpointUnreadable, SpecError
from lth.core.field_errors import valid
from lth.core.npz import opened, write
from lth.core.packing import Packed, joined, packed, section_of
from lth.engine.level import Level, LevelState
from lth.engine.network import Weights
from lth.experiment.level_state import described, restored
from lth.pruning.masks import Mask, density
from lth.reinit import Reinit, ReinitContract, Rewind
from lth.results.layers import layer_table
from lth.results.schemas import At, LevelResult, Untrained
from lth.spec.plan import ENGINE_VERSION

FORMAT = 3
"""Counts changes of what a checkpoint is written as; one of another format is not read."""
_PART_OF_A_SESSION = f"{FORMAT}, part of a session's state"
"""The format of a state whose weights at rewind points are, in part, saved beside it."""

Rewinds = Mapping[int, Mapping[str, np.ndarray]]
"""Weights of level 0 by step."""


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
        rewinds: the weights of level 0 after the steps that some reset returns to; on disk, but
            for those of step 0 before the training.
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
    rewinds: dict[int, Mapping[str, np.ndarray]] = field(default_factory=dict)
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
        first, start, rewinds = self.finished[0], dict(self.rewinds[0]), dict(self.rewinds)
        return ExperimentState(
            0, first.masks, start, rewinds=rewinds, finished=[first], origin=self.origin
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
        """The bytes of `to_file`."""
        return content_of(self.to_file())

    def to_file(self, elsewhere: Rewinds | None = None) -> BinaryIO:
        """The state as an npz in a temporary file.

        Pruned weights are left out, and what is equal is written only once. What lies on disk
        already, the weights at rewind points, is copied an array at a time.

        Args:
            elsewhere: weights at rewind points that are saved beside the state, and left out.
        """
        left_out = _equal(self.rewinds, elsewhere or {})
        sections: dict[str, Mapping[str, np.ndarray]]
        sections = {"masks": self.masks, "start": self.start, "frozen": self.frozen or {}}
        for step, weights in self.rewinds.items():
            if step not in left_out:
                sections[f"rewind-{step}"] = weights
        for number, level in enumerate(self.finished):
            sections[f"level-{number}/masks"] = level.masks
            sections[f"level-{number}/weights"] = level.weights
        header: dict[str, Any] = {
            "format": _PART_OF_A_SESSION if left_out else FORMAT,
            "engine": ENGINE_VERSION,
            "level": self.level,
            "reset": valid(Reinit, self.reset, "reset").model_dump(mode="json"),
            "origin": self.origin,
            "method": self.method,
            "frozen": self.frozen is not None,
            "rewinds": list(self.rewinds),
            "finished": [level.result.model_dump(mode="json") for level in self.finished],
        }
        if left_out:
            header["elsewhere"] = sorted(left_out)
        if self.current is not None:
            header["current"], more = described(self.current)
            sections |= {f"current/{name}": arrays for name, arrays in more.items()}
        parts, index = joined({prefix: packed(arrays) for prefix, arrays in sections.items()})
        file = TemporaryFile()
        write(file, parts, {**header, "index": index})
        file.seek(0)
        return file

    @classmethod
    def from_bytes(cls, content: bytes) -> "ExperimentState":
        """The state that `to_bytes` wrote; see `from_file`."""
        return cls.from_file(as_file(content))

    @classmethod
    def from_file(cls, file: BinaryIO, elsewhere: Rewinds | None = None) -> "ExperimentState":
        """The state that `to_file` wrote.

        The weights at rewind points stay in the file, which must not be closed or changed.

        Args:
            file: an npz.
            elsewhere: the weights that were given to `to_file`.

        Raises:
            CheckpointUnreadable: when it is of another format or engine.
        """
        check_readable(file, alone=not elsewhere)
        parts, header = opened(file)
        whole = Packed(parts, header["index"])

        def stored(prefix: str) -> Mapping[str, np.ndarray]:
            return section_of(whole, prefix)

        finished = [
            TrainedLevel(
                LevelResult.model_validate(result),
                dict(stored(f"level-{number}/masks")),
                dict(stored(f"level-{number}/weights")),
            )
            for number, result in enumerate(header["finished"])
        ]
        current, left_out = header.get("current"), header.get("elsewhere", ())
        return cls(
            level=header["level"],
            reset=valid(Reinit, header["reset"], "reset"),
            origin=header["origin"],
            method=header["method"],
            masks=dict(stored("masks")),
            start=dict(stored("start")),
            frozen=dict(stored("frozen")) if header["frozen"] else None,
            rewinds={
                step: elsewhere[step]
                if elsewhere and step in left_out
                else stored(f"rewind-{step}")
                for step in header["rewinds"]
            },
            finished=finished,
            current=current and restored(current, stored),
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


def check_readable(file: BinaryIO, *, alone: bool = True) -> None:
    """See whether a file is a checkpoint that can be gone on from here.

    Args:
        file: an npz.
        alone: whether nothing was saved beside it.

    Raises:
        CheckpointUnreadable: when it is none, or was written by another version.
    """
    try:
        header = opened(file)[1]
        found = header["format"], header["engine"]
    except (KeyError, TypeError, ValueError, EOFError, BadZipFile) as error:
        raise CheckpointUnreadable(
            f"these {file.seek(0, SEEK_END):,} bytes are no checkpoint of format {FORMAT}; begin "
            "the experiment anew"
        ) from error
    formats = (FORMAT,) if alone else (FORMAT, _PART_OF_A_SESSION)
    if found[0] not in formats or found[1] != ENGINE_VERSION:
        raise CheckpointUnreadable(
            f"this checkpoint is of format {found[0]} and engine {found[1]}; here experiments go "
            f"on from format {FORMAT} and engine {ENGINE_VERSION} only; begin it anew"
        )


def _equal(ours: Rewinds, theirs: Rewinds) -> set[int]:
    """The steps at which both have the same weights."""
    return {
        step
        for step, weights in ours.items()
        if step in theirs and packed(weights).index == packed(theirs[step]).index
    }
