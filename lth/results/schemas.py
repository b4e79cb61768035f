"""What a run found out: plain data, the same in the library, the store and over HTTP."""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from lth.results.tables import summary_table


class _Record(BaseModel):
    # What a later version adds, an earlier command line passes over.
    model_config = ConfigDict(frozen=True, extra="ignore")


class Scores(_Record):
    """A network's quality on one split of the data."""

    loss: float
    accuracy: float = Field(ge=0, le=1)
    top5: float | None = Field(
        default=None, ge=0, le=1, description="only with more than five classes"
    )


class History(_Record):
    """The course of a level: one entry per evaluation point, all lists equally long."""

    iterations: tuple[int, ...] = Field(
        description="optimizer steps of the level's training schedule that are done; a level that "
        "was rewound to step k counts on from k, as `LevelResult.start` says"
    )
    train_loss: tuple[float, ...] = Field(description="mean since the previous point")
    train_accuracy: tuple[float, ...]
    validation_loss: tuple[float, ...]
    validation_accuracy: tuple[float, ...]

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Not every point: what holds a history can be read where it is shown."""
        yield "points", len(self.iterations)


class LayerDensity(_Record):
    """How much of one prunable layer is left."""

    name: str
    kept: int
    total: int
    density: float


class At(_Record):
    """Scores at one iteration of a level."""

    iteration: int = Field(description="counted as in the level's history")
    validation: Scores
    test: Scores


class Untrained(_Record):
    """Test scores of the masked network at the reset point, before any training.

    Reference: Zhou et al. 2019, arXiv:1905.01067, section 5 (supermasks).
    """

    masked: Scores
    signed_constant: Scores = Field(
        description="each kept weight replaced by its sign times the layer's initial stddev"
    )
    rescaled: Scores = Field(
        description="kept weights divided by the layer's density (dynamic weight rescaling)"
    )


class LevelResult(_Record):
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


class Environment(_Record):
    """Where and with what a run was executed."""

    device: str
    xla: bool
    versions: dict[str, str]


class RunResult(_Record):
    """One experiment of one trial, all of its levels."""

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
    seconds: float = Field(description="of this run, without waiting")


class Statistic(_Record):
    """A number over trials."""

    n: int
    mean: float
    median: float
    min: float
    max: float
    stddev: float | None = Field(description="sample standard deviation; none for one trial")
    interval: tuple[float, float] | None = Field(
        description="95 % confidence interval of the mean by Student's t; none for one trial"
    )


class LevelSummary(_Record):
    """One level of one experiment, over its trials."""

    level: int
    density: float
    metrics: dict[str, Statistic] = Field(
        description="by name: early_stop_iteration, early_stop_test_accuracy, ..."
    )


class ExperimentSummary(_Record):
    """One experiment, over its trials."""

    experiment: str
    trials: tuple[int, ...]
    levels: tuple[LevelSummary, ...]


class Difference(_Record):
    """A metric of an experiment minus that of another one, trial by trial."""

    by_trial: dict[int, float]
    statistic: Statistic
    higher: int = Field(description="trials in which the experiment's value is the higher one")
    lower: int = Field(description="trials in which it is the lower one")


class Comparison(_Record):
    """One level of an experiment beside another network of the same trials."""

    experiment: str
    against: str = Field(description="'dense', or the control that follows the experiment")
    level: int
    metrics: dict[str, Difference]


class Coverage(_Record):
    """How much of a job's plan its summary is of."""

    trials: int = Field(description="trials of which every experiment has a result")
    trials_planned: int
    results: int = Field(description="experiments with a result, over all trials")
    results_planned: int
    complete: bool = Field(description="whether the summary is of all that was planned")


class Summary(_Record):
    """What the trials of a job say together."""

    experiments: tuple[ExperimentSummary, ...]
    comparisons: tuple[Comparison, ...]
    coverage: Coverage | None = Field(
        default=None, description="of a job; none where nothing was planned, as in a notebook"
    )

    remarks: tuple[str, ...] = Field(
        default=(), description="what to know before believing in it, each of one sentence"
    )

    def __str__(self) -> str:
        """A table of accuracy and early stop at every level."""
        return summary_table(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What a notebook shows of it."""
        printer.text(str(self))
