"""The spec: the document that says what an experiment is.

Everything a run depends on is in it, so that two equal specs give equal bytes. It is plain data,
validated here and nowhere else; it can name neither a path, nor an address, nor code.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    TypeAdapter,
    ValidationInfo,
    field_validator,
    model_validator,
)

from lth.core.limits import Limits, bounded, limits_of
from lth.datasets import Dataset, Digits
from lth.networks import Network, PlacedLayer, place
from lth.networks.paper_defaults import Papers
from lth.networks.presets import Lenet300100
from lth.pruning.methods import (
    ControlExperiment,
    Document,
    Experiment,
    Grid,
    Method,
    Pruning,
    Ticket,
)
from lth.reinit import Reinit, Rewind
from lth.spec.contradictions import (
    Place,
    between_experiments,
    refuse,
    rewind_past_end,
    too_many_snapshots,
)
from lth.training.settings import Training

__all__ = [
    "SPEC",
    "ControlExperiment",
    "Experiment",
    "Grid",
    "Method",
    "ModelSpec",
    "Plots",
    "Pruning",
    "RobustSpec",
    "SessionSpec",
    "Spec",
    "Ticket",
    "canonical",
    "parse_spec",
    "spec_hash",
]

LabelKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$")]
LabelValue = Annotated[str, Field(max_length=128)]

Plots = Literal["none", "png", "png_svg"]


class _Spec(Document):
    """What every kind of job shares."""

    name: str = Field("", max_length=200, description="free text, shown in lists")
    labels: dict[LabelKey, LabelValue] = Field(default_factory=dict, max_length=32)
    dataset: Dataset = Digits(kind="digits")
    network: Network = Lenet300100(kind="lenet-300-100")
    training: Training = Field(
        default=Training(),
        validate_default=True,
        description="without an optimizer: Adam at the rate that the papers give for the network",
    )
    seed: int = Field(default=0, ge=0, lt=2**63)
    plots: Plots = Field(
        default="png_svg",
        description="pictures that may be fetched; they are drawn when they are",
    )

    @property
    def layers(self) -> tuple[PlacedLayer, ...]:
        """The network's layers at their places, with their shapes."""
        facts = self.dataset.facts
        return place(self.network, facts.shape, facts.classes)

    @property
    def samples(self) -> int:
        """Training samples, without those for validation."""
        return _samples(self.dataset)

    @property
    def trial_numbers(self) -> range:
        """The trials, from 1; a single one unless the job is robust."""
        return range(1, 2)

    def _check_snapshots(self, reinits: Mapping[Place, Reinit], info: ValidationInfo) -> None:
        most = limits_of(info).max_snapshot_bytes
        parameters = sum(layer.parameters for layer in self.layers)
        steps = self.training.steps_per_epoch(self.samples)
        refuse(too_many_snapshots(reinits, parameters, steps, most))

    @field_validator("network")
    @classmethod
    def _network_fits(cls, network: Network, info: ValidationInfo) -> Network:
        if "dataset" not in info.data:
            return network
        facts = info.data["dataset"].facts
        placed = place(network, facts.shape, facts.classes)
        most = limits_of(info).max_parameters
        bounded(sum(layer.parameters for layer in placed), most, "parameters")
        return network

    @field_validator("training")
    @classmethod
    def _papers_optimizer(cls, training: Training, info: ValidationInfo) -> Training:
        return _papers(info).training(training)

    @field_validator("training")
    @classmethod
    def _training_fits(cls, training: Training, info: ValidationInfo) -> Training:
        if "dataset" not in info.data:
            return training
        dataset = info.data["dataset"]
        samples = _samples(dataset)
        training.check(samples, dataset.facts.shape)
        limits = limits_of(info)
        iterations, evaluations = training.iterations(samples), training.evaluations(samples)
        bounded(iterations, limits.max_iterations, "iterations of a level")
        bounded(evaluations, limits.max_evaluations, "evaluations of a level")
        return training


class ModelSpec(_Spec):
    """One experiment on one network."""

    kind: Literal["model"]
    pruning: Pruning = Field(default=Pruning(), validate_default=True)
    reinit: Reinit = Rewind(kind="rewind")

    @field_validator("pruning")
    @classmethod
    def _papers_rates(cls, pruning: Pruning, info: ValidationInfo) -> Pruning:
        return _papers(info).pruning(pruning)

    @field_validator("reinit")
    @classmethod
    def _rewind_point_exists(cls, reinit: Reinit, info: ValidationInfo) -> Reinit:
        if {"dataset", "training"} <= info.data.keys():
            samples = _samples(info.data["dataset"])
            refuse(rewind_past_end(reinit, info.data["training"], samples))
        return reinit

    @model_validator(mode="after")
    def _snapshots_fit(self, info: ValidationInfo) -> Self:
        self._check_snapshots({("reinit",): self.reinit}, info)
        return self

    @property
    def expanded(self) -> tuple[Experiment, ...]:
        """The experiments of a trial; here the one ticket."""
        return (Ticket(name="ticket", pruning=self.pruning, reinit=self.reinit),)


class _Several(_Spec):
    """Experiments that share an initial network."""

    experiments: tuple[Experiment, ...] = ()
    grid: Grid | None = None

    @field_validator("experiments", mode="before")
    @classmethod
    def _few_enough(cls, experiments: Any, info: ValidationInfo) -> Any:
        """Counted before any is read, which takes seconds for as many as fit into a body."""
        if isinstance(experiments, list | tuple):
            bounded(len(experiments), limits_of(info).max_experiments, "experiments")
        return experiments

    @field_validator("experiments")
    @classmethod
    def _papers_rates(
        cls, experiments: tuple[Experiment, ...], info: ValidationInfo
    ) -> tuple[Experiment, ...]:
        papers = _papers(info)
        return tuple(
            each.model_copy(update={"pruning": papers.pruning(each.pruning)})
            if isinstance(each, Ticket)
            else each
            for each in experiments
        )

    @field_validator("grid")
    @classmethod
    def _papers_rates_of_cells(cls, grid: Grid | None, info: ValidationInfo) -> Grid | None:
        return grid and grid.model_copy(update={"pruning": _papers(info).pruning(grid.pruning)})

    @property
    def expanded(self) -> tuple[Experiment, ...]:
        """The experiments of a trial: those written out, then those of the grid."""
        return (*self.experiments, *(self.grid.cells if self.grid else ()))

    @model_validator(mode="after")
    def _consistent(self, info: ValidationInfo) -> Self:
        experiments = self.expanded
        if not experiments:
            raise ValueError("there is nothing to do: give 'experiments' or a 'grid'")
        bounded(len(experiments), limits_of(info).max_experiments, "experiments")
        refuse(between_experiments(self.experiments, self.grid, self.training, self.samples))
        self._check_snapshots(self._reinits, info)
        return self

    @property
    def _reinits(self) -> dict[Place, Reinit]:
        """The reset of each ticket, by its place."""
        written = enumerate(self.experiments)
        reinits: dict[Place, Reinit] = {
            ("experiments", number, "reinit"): each.reinit
            for number, each in written
            if isinstance(each, Ticket)
        }
        for number, reinit in enumerate(self.grid.reinit if self.grid else ()):
            reinits["grid", "reinit", number] = reinit
        return reinits


class SessionSpec(_Several):
    """Several experiments on the same initial network."""

    kind: Literal["session"]


def _samples(dataset: Dataset) -> int:
    """Training samples of a data set, without those for validation."""
    return dataset.facts.train - dataset.validation


def _papers(info: ValidationInfo) -> Papers:
    """The papers' figures for a spec's network."""
    return info.data["network"].papers if "network" in info.data else Papers()


def _trials(value: int, info: ValidationInfo) -> int:
    return bounded(value, limits_of(info).max_trials, "trials")


class RobustSpec(_Several):
    """A session repeated over trials with independent seeds."""

    kind: Literal["robust"]
    trials: Annotated[int, Field(ge=2), AfterValidator(_trials)] = 5

    @property
    def trial_numbers(self) -> range:
        return range(1, self.trials + 1)


Spec = ModelSpec | SessionSpec | RobustSpec

SPEC: TypeAdapter[Spec] = TypeAdapter(Annotated[Spec, Field(discriminator="kind")])
"""Validates any spec; its JSON schema is the service's."""


def parse_spec(document: Any, limits: Limits | None = None) -> Spec:
    """Validate a document of plain data.

    Raises:
        pydantic.ValidationError: with every wrong field at once.
    """
    return SPEC.validate_python(document, context=limits)


def canonical(part: BaseModel) -> str:
    """The canonical JSON of a spec or a part of it.

    Values equal to their default are left out, so that a new field changes no old identity; keys
    are sorted; there is no white space.
    """
    document = part.model_dump(mode="json", exclude_defaults=True)
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)


def spec_hash(spec: Spec) -> str:
    """SHA-256 (hex) of what determines a spec's results: all of it but its name and labels."""
    anonymous = spec.model_copy(update={"name": "", "labels": {}})
    return hashlib.sha256(canonical(anonymous).encode()).hexdigest()
