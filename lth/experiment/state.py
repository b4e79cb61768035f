"""The state of an experiment, and its serialization. A trunk is a checkpoint after level 0."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from io import SEEK_END
from typing import Any, BinaryIO
from zipfile import BadZipFile

import numpy as np

from lth.core.disk_arrays import TemporaryFile, as_file, content_of
from lth.core.errors import CheckpointUnreadable, SpecError
from lth.core.external import readable
from lth.core.field_errors import valid
from lth.core.npz import opened, write
from lth.core.packing import Packed, joined, packed, section_of
from lth.engine.level import Level, LevelState
from lth.engine.observer import TrainedLevel
from lth.engine.variables import Weights
from lth.experiment.level_state import described, restored
from lth.pruning.masks import Mask, density
from lth.reinit import Reinit, ReinitContract, Rewind
from lth.results.layers import layer_table
from lth.results.schemas import At, LevelResult, Untrained
from lth.spec.plan import ENGINE_VERSION

FORMAT = 3
"""Version of the format of checkpoints; other versions are not read."""
_PART_OF_A_SESSION = f"{FORMAT}, part of a session's state"
"""Version of the format if some weights at rewind points are saved beside the state."""

Rewinds = Mapping[int, Mapping[str, np.ndarray]]
"""Weights of level 0 by step."""


@dataclass
class ExperimentState:
    """The state of an experiment between two steps.

    Attributes:
        level: the level that is in training, or that was trained last.
        masks: of this level, bool by layer name; True = kept.
        frozen: constant values of pruned weights, float32 by layer name; None if they are zero.
        start: the weights at the start of this level's training, float32 by path.
        rewinds: the weights of level 0 after the steps that some reset returns to. They are on
            disk, except the weights of step 0 before the training.
        finished: the finished levels, from 0.
        current: the unfinished training; None between levels.
        reset: the reset before this level. It decides the learning rates of the level, and the
            step of the schedule at which its training begins.
        origin: seed, training and data of the experiment, as text by name.
        method: the method that the experiment follows, or the single steps taken so far, as text.
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
        """Whether the current level is trained."""
        return len(self.finished) > self.level

    def dense(self) -> "ExperimentState":
        """The state after level 0.

        Raises:
            SpecError: if level 0 is not trained.
        """
        if not self.finished:
            raise SpecError("the dense network is not trained yet; call train() first")
        first, start, rewinds = self.finished[0], dict(self.rewinds[0]), dict(self.rewinds)
        return ExperimentState(
            0, first.masks, start, rewinds=rewinds, finished=[first], origin=self.origin
        )

    def check_began_as(self, other: "ExperimentState") -> None:
        """Check that another experiment may continue from this state.

        Raises:
            SpecError: if this state belongs to another network, seed, training or data set.
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
            raise SpecError(f"this checkpoint began with other settings: {'; '.join(changed)}")

    def to_bytes(self) -> bytes:
        """The content of `to_file` as bytes."""
        return content_of(self.to_file())

    def to_file(self, elsewhere: Rewinds | None = None) -> BinaryIO:
        """Write the state to a temporary file, as an npz.

        The file has no pruned weights, and each distinct array only once. Weights at rewind points
        are copied from disk one array at a time.

        Args:
            elsewhere: weights at rewind points that are saved beside the state and left out.
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
        """Read the bytes that `to_bytes` returned; see `from_file`."""
        return cls.from_file(as_file(content))

    @classmethod
    def from_file(cls, file: BinaryIO, elsewhere: Rewinds | None = None) -> "ExperimentState":
        """Read a file that `to_file` wrote.

        The weights at rewind points stay in the file. Do not close or change it.

        Args:
            file: an npz.
            elsewhere: the weights that were given to `to_file`.

        Raises:
            CheckpointUnreadable: if the format or the engine has another version.
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
            reset=_reset(header["reset"]),
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


def _reset(document: Any) -> Reinit:
    with readable():
        return valid(Reinit, document, "reset")


def level_result(
    level: Level,
    trained: LevelState,
    masks: Mapping[str, Mask],
    scores: tuple[At, At],
    untrained: Untrained | None,
) -> LevelResult:
    """The result of a trained level.

    Args:
        level: the settings of the level.
        trained: the state of its training.
        masks: bool by layer name.
        scores: at the early stop, and at the end.
        untrained: scores before the training, for pruned levels.
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
    """Check that this version can continue from a file.

    Args:
        file: an npz.
        alone: whether the file must be complete, with nothing saved beside it.

    Raises:
        CheckpointUnreadable: if it is not a checkpoint, or another version wrote it.
    """
    try:
        header = opened(file)[1]
        found = header["format"], header["engine"]
    except (KeyError, TypeError, ValueError, EOFError, BadZipFile) as error:
        raise CheckpointUnreadable(
            f"these {file.seek(0, SEEK_END):,} bytes are not a checkpoint of format {FORMAT}; "
            "start the experiment again"
        ) from error
    formats = (FORMAT,) if alone else (FORMAT, _PART_OF_A_SESSION)
    if found[0] not in formats or found[1] != ENGINE_VERSION:
        raise CheckpointUnreadable(
            f"this checkpoint is of format {found[0]} and engine {found[1]}; here experiments "
            f"continue from format {FORMAT} and engine {ENGINE_VERSION} only; start it again"
        )


def _equal(ours: Rewinds, theirs: Rewinds) -> set[int]:
    """The steps at which both have equal weights."""
    return {
        step
        for step, weights in ours.items()
        if step in theirs and packed(weights).index == packed(theirs[step]).index
    }
