"""From a spec to the runs that carry it out: a pure function that library and service share."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from lth.core.seeds import trial_seed
from lth.spec.document import ControlExperiment, Experiment, ModelSpec, Spec, Ticket, canonical

ENGINE_VERSION = 3
"""Counts changes of the engine that change the bytes of a result."""


class RunKind(StrEnum):
    """What a run does."""

    TRUNK = "trunk"
    """Trains the dense network of a trial once, for every experiment of it."""
    EXPERIMENT = "experiment"
    """Carries one experiment of one trial to its last level."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """One unit of work, as whoever carries it out has to know it.

    Attributes:
        key: its name within the job, and the prefix of its artifacts' names.
        kind: what it does.
        trial: from 1.
        seed: of the trial; every stream of random numbers is spawned from it.
        experiment: the name of the experiment; None for a trunk.
        trunk: identity of the dense training that it starts with, or is.
    """

    key: str
    kind: RunKind
    trial: int
    seed: int
    experiment: str | None
    trunk: str


@dataclass(frozen=True, slots=True)
class PlannedRun(Assignment):
    """A unit of work in its place in the plan.

    Attributes:
        needs: keys of all runs that must have succeeded before, those that these need among them.
    """

    needs: tuple[str, ...]


def plan(spec: Spec) -> tuple[PlannedRun, ...]:
    """The runs of a spec, each after those it needs.

    A single experiment trains its own dense network; experiments that share one wait for a trunk.
    """
    # What others wait for goes first, in all trials: three trials of a ticket and its control take
    # two workers 23 trainings' time this way, and 30 if each trial is finished before the next.
    return tuple(sorted(_runs(spec), key=lambda run: len(run.needs)))


def experiment_named(spec: Spec, name: str) -> Experiment:
    """The experiment of that name; names are unique within a spec."""
    return next(experiment for experiment in spec.expanded if experiment.name == name)


def run_key(trial: int, name: str) -> str:
    """The key of a trial's run that carries out the experiment of that name, or its trunk."""
    return f"trial-{trial}/{name}"


def levels_of(spec: Spec, experiment: Experiment) -> int:
    """Pruning rounds of an experiment; a control has as many as the ticket it follows."""
    if isinstance(experiment, ControlExperiment):
        experiment = experiment_named(spec, experiment.control.of)
    assert isinstance(experiment, Ticket)
    return len(experiment.pruning.schedule.densities(1.0))


def rewind_points(spec: Spec) -> tuple[int, ...]:
    """The iterations of level 0 whose weights some experiment returns to, rising, 0 among them."""
    steps = spec.training.steps_per_epoch(spec.samples)
    tickets = [e for e in spec.expanded if isinstance(e, Ticket)]
    return tuple(sorted({0, *(t.reinit.rewind_point.iterations(steps) for t in tickets)}))


def rewind_points_of(spec: Spec, experiment: Experiment) -> tuple[int, ...]:
    """Those of `rewind_points` that one experiment returns to; a control, those of its ticket."""
    if isinstance(experiment, ControlExperiment):
        experiment = experiment_named(spec, experiment.control.of)
    assert isinstance(experiment, Ticket)
    steps = spec.training.steps_per_epoch(spec.samples)
    return tuple(sorted({0, experiment.reinit.rewind_point.iterations(steps)}))


def trunk_identity(spec: Spec, seed: int) -> str:
    """SHA-256 (hex) of all that a spec says about its dense training with `seed`.

    A worker adds what only it knows, the digest of the data and the kind of device, before it
    reuses a trunk.
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
