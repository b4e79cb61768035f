"""The result of a run as plain data, the same in the library, the store and the HTTP API."""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class ResultModel(BaseModel):
    """Frozen; fields that a later version adds are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Scores(ResultModel):
    """Scores of a network on one split of the data."""

    loss: float
    accuracy: float = Field(ge=0, le=1)
    top5: float | None = Field(
        default=None, ge=0, le=1, description="only with more than five classes"
    )


class History(ResultModel):
    """The history of a level, with one entry for each evaluation point in every list."""

    iterations: tuple[int, ...] = Field(
        description="optimizer steps of the level's training schedule that are done; a level that "
        "was rewound to step k counts on from k, as `LevelResult.start` says"
    )
    train_loss: tuple[float, ...] = Field(description="mean since the previous point")
    train_accuracy: tuple[float, ...]
    validation_loss: tuple[float, ...]
    validation_accuracy: tuple[float, ...]

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """A short representation, because a history has many entries."""
        yield "points", len(self.iterations)


class LayerDensity(ResultModel):
    """The kept weights of one prunable layer."""

    name: str
    kept: int
    total: int
    density: float


class At(ResultModel):
    """Scores at one iteration of a level."""

    iteration: int = Field(description="counted as in the level's history")
    validation: Scores
    test: Scores


class Untrained(ResultModel):
    """Test scores of the masked network after the reset, before any training.

    Reference: Zhou et al. 2019, arXiv:1905.01067, section 5 (supermasks).
    """

    masked: Scores
    signed_constant: Scores = Field(
        description="each kept weight replaced by its sign times the layer's initial stddev"
    )
    rescaled: Scores = Field(
        description="kept weights divided by the layer's density (dynamic weight rescaling)"
    )


class LevelResult(ResultModel):
    """One level: 0 is the dense network, n is after the n-th pruning round."""

    level: int
    density: float = Field(description="kept / prunable weights")
    sparsity: float = Field(description="1 - density")
    layers: tuple[LayerDensity, ...]
    start: int = Field(
        default=0,
        ge=0,
        description="step of the schedule at which this level's training began: 0, or the point "
        "that a late reset returned to",
    )
    history: History
    early_stop: At = Field(description="at the minimum of the validation loss")
    final: At = Field(description="at the end of the level")
    untrained: Untrained | None = Field(default=None, description="of pruned levels")
    seconds: float
    samples_per_second: float

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """A short representation: density, early stop and test accuracies."""
        yield "level", self.level
        yield "density", round(self.density, 4)
        yield "early_stop", self.early_stop.iteration
        yield "test_accuracy", self.early_stop.test.accuracy
        yield "at_end", self.final.test.accuracy


class Environment(ResultModel):
    """The machine and the versions of the libraries that executed a run."""

    device: str
    xla: bool
    versions: dict[str, str]


class EvaluationData(ResultModel):
    """The samples on which test accuracies are measured."""

    number: int
    majority: float = Field(description="share of the most frequent class")


class ExternalMember(ResultModel):
    """A criterion, reset, schedule, scope, network or data set that is not part of this library."""

    family: str = Field(
        description="'criterion', 'reinit', 'schedule' or 'scope'; empty for networks and data sets"
    )
    name: str = Field(description="its kind, or the name of the function or class of a notebook")
    digest: str | None = Field(
        default=None, description="SHA-256 of the source of a function or class of a notebook"
    )
    package: str | None = Field(default=None, description="the installed package that adds it")
    version: str | None = Field(default=None, description="of the package")


class RunResult(ResultModel):
    """One experiment of one trial, with all of its levels."""

    experiment: str
    trial: int
    seed: int
    method: str = Field(
        default="",
        description="digest of all that was done but for the seed; trials have it in common",
    )
    levels: tuple[LevelResult, ...]
    trunk_reused: bool = Field(description="level 0 was trained before, by another run")
    environment: Environment
    test_samples: EvaluationData | None = Field(
        default=None, description="none in results of older versions"
    )
    external: tuple[ExternalMember, ...] = Field(
        default=(), description="what is not part of this library"
    )
    seconds: float = Field(description="of this run, without waiting")
    partial: bool = Field(
        default=False, description="the run has not ended; later levels are missing"
    )

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """A short representation: the experiment, its trial and its levels."""
        yield "experiment", self.experiment
        yield "trial", self.trial
        yield "levels", list(self.levels)
