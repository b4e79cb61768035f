"""The spec: the document that defines an experiment.

Results depend on nothing else, so equal specs give equal bytes. A spec is plain data. It contains
no path, no address and no code. All validation is in this package.
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

from lth.core.extensions import packages_in
from lth.core.limits import Limits, bounded, limits_of
from lth.datasets import Dataset, Digits
from lth.networks import Network, PlacedLayer, place
from lth.networks.paper_defaults import Papers, papers_of
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
    "Labels",
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
Labels = Annotated[dict[LabelKey, LabelValue], Field(max_length=32)]

Plots = Literal["none", "png", "png_svg"]


class _Spec(Document):
    """The fields that all kinds of jobs share."""

    name: str = Field("", max_length=200, description="free text, shown in lists")
    labels: Labels = Field(default_factory=dict)
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
        """The layers of the network with their shapes."""
        facts = self.dataset.facts
        return place(self.network, facts.shape, facts.classes)

    @property
    def samples(self) -> int:
        """Number of training samples, without the validation samples."""
        return _samples(self.dataset)

    @property
    def trial_numbers(self) -> range:
        """The numbers of the trials, from 1; only robust jobs have more than one."""
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
        """The experiments of a trial; here one ticket."""
        return (Ticket(name="ticket", pruning=self.pruning, reinit=self.reinit),)


class _Several(_Spec):
    """Experiments that share an initial network."""

    experiments: tuple[Experiment, ...] = ()
    grid: Grid | None = None

    @field_validator("experiments", mode="before")
    @classmethod
    def _few_enough(cls, experiments: Any, info: ValidationInfo) -> Any:
        """Count the experiments before they are parsed, because parsing can take seconds."""
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
        """The experiments of a trial: those that are written out, then those of the grid."""
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
        """The reset of each ticket, by location."""
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
    """Number of training samples of a data set, without the validation samples."""
    return dataset.facts.train - dataset.validation


def _papers(info: ValidationInfo) -> Papers:
    """The papers' defaults for the network of a spec."""
    return papers_of(info.data.get("network"))


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
"""Validates any spec; the HTTP API uses its JSON schema."""


def parse_spec(document: Any, limits: Limits | None = None) -> Spec:
    """Validate a document of plain data.

    Raises:
        pydantic.ValidationError: with all wrong fields.
    """
    return SPEC.validate_python(document, context=limits)


def canonical(part: BaseModel) -> str:
    """The canonical JSON of a spec or of a part of it.

    It has no values that equal their defaults, so a new field changes no old hash. Keys are sorted.
    There is no white space.
    """
    document = part.model_dump(mode="json", exclude_defaults=True)
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)


def spec_hash(spec: Spec) -> str:
    """SHA-256 (hex) of all fields of a spec except its name and its labels.

    The versions of packages that add members of the spec count too.
    """
    anonymous = spec.model_copy(update={"name": "", "labels": {}})
    packages = packages_in(spec)
    used = "".join(f"\n{kind} {packages[kind]}" for kind in sorted(packages))
    return hashlib.sha256(f"{canonical(anonymous)}{used}".encode()).hexdigest()
