"""Turns a spec into the runs that execute it.

A pure function, used by the library and the service.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from lth.core.seeds import trial_seed
from lth.spec.document import ControlExperiment, Experiment, ModelSpec, Spec, Ticket, canonical

ENGINE_VERSION = 3
"""Version of the engine; it increases with changes that change the bytes of results."""


class RunKind(StrEnum):
    """The kind of a run."""

    TRUNK = "trunk"
    """Trains the dense network of a trial, for all of its experiments."""
    EXPERIMENT = "experiment"
    """Executes one experiment of one trial."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A run, with everything that is needed to execute it.

    Attributes:
        key: its name within the job, and the prefix of its artifact names.
        kind: trunk or experiment.
        trial: number of the trial, from 1.
        seed: seed of the trial; all random streams derive from it.
        experiment: name of the experiment; None for a trunk.
        trunk: identity of the dense training with which it starts, or which it is.
    """

    key: str
    kind: RunKind
    trial: int
    seed: int
    experiment: str | None
    trunk: str


@dataclass(frozen=True, slots=True)
class PlannedRun(Assignment):
    """A run and the runs that it needs.

    Attributes:
        needs: keys of all runs that must succeed before, directly or indirectly.
    """

    needs: tuple[str, ...]


def plan(spec: Spec) -> tuple[PlannedRun, ...]:
    """The runs of a spec; each comes after the runs that it needs.

    A single experiment trains its own dense network. Experiments that share one need a trunk run.
    """
    # Runs that others need come first, in all trials: three trials of a ticket and its control take
    # two workers the time of 23 trainings this way, and of 30 trial by trial.
    return tuple(sorted(_runs(spec), key=lambda run: len(run.needs)))


def experiment_named(spec: Spec, name: str) -> Experiment:
    """The experiment with this name; names are unique within a spec."""
    return next(experiment for experiment in spec.expanded if experiment.name == name)


def run_key(trial: int, name: str) -> str:
    """The key of the run of an experiment in a trial; without a name, of the trunk."""
    return f"trial-{trial}/{name}"


def levels_of(spec: Spec, experiment: Experiment) -> int:
    """Number of pruning rounds of an experiment; for a control, of its ticket."""
    if isinstance(experiment, ControlExperiment):
        experiment = experiment_named(spec, experiment.control.of)
    assert isinstance(experiment, Ticket)
    return len(experiment.pruning.schedule.densities(1.0))


def rewind_points(spec: Spec) -> tuple[int, ...]:
    """The iterations of level 0 to whose weights some experiment returns, ascending, with 0."""
    steps = spec.training.steps_per_epoch(spec.samples)
    tickets = [e for e in spec.expanded if isinstance(e, Ticket)]
    return tuple(sorted({0, *(t.reinit.rewind_point.iterations(steps) for t in tickets)}))


def rewind_points_of(spec: Spec, experiment: Experiment) -> tuple[int, ...]:
    """The rewind points of one experiment; for a control, of its ticket."""
    if isinstance(experiment, ControlExperiment):
        experiment = experiment_named(spec, experiment.control.of)
    assert isinstance(experiment, Ticket)
    steps = spec.training.steps_per_epoch(spec.samples)
    return tuple(sorted({0, experiment.reinit.rewind_point.iterations(steps)}))


def trunk_identity(spec: Spec, seed: int) -> str:
    """SHA-256 (hex) of everything in a spec that determines its dense training with `seed`.

    A worker adds the digest of the data and the kind of device before it reuses a trunk.
    """
    said = {
        "dataset": canonical(spec.dataset),
        "network": [layer.layer.keras_config() for layer in spec.layers],
        "training": canonical(spec.training),
        "seed": seed,
        "rewind_points": rewind_points(spec),
        "engine": ENGINE_VERSION,
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _runs(spec: Spec) -> Iterator[PlannedRun]:
    several = not isinstance(spec, ModelSpec)
    for trial in spec.trial_numbers:
        seed = trial_seed(spec.seed, trial)
        trunk = trunk_identity(spec, seed)
        first = run_key(trial, RunKind.TRUNK)
        if several:
            yield PlannedRun(first, RunKind.TRUNK, trial, seed, None, trunk, ())
        for experiment in sorted(spec.expanded, key=lambda e: isinstance(e, ControlExperiment)):
            key = run_key(trial, experiment.name)
            needs = (first,) if several else ()
            if isinstance(experiment, ControlExperiment):
                needs = (*needs, run_key(trial, experiment.control.of))
            yield PlannedRun(key, RunKind.EXPERIMENT, trial, seed, experiment.name, trunk, needs)
