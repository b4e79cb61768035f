"""The plan of a spec: its runs, and an estimate of their cost."""

from collections.abc import Mapping
from math import prod

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from lth.spec.document import Spec, spec_hash
from lth.spec.memory import estimate_memory
from lth.spec.plan import PlannedRun, RunKind, levels_of, plan
from service.api.jobs.estimating import Estimate, Work, estimate
from service.api.jobs.remarks import remarks
from service.store.runs import speeds
from service.store.workers import workers


class PlannedRunView(BaseModel):
    """A planned run."""

    model_config = ConfigDict(from_attributes=True)

    key: str = Field(examples=["trial-1/ticket"])
    kind: RunKind
    trial: int
    experiment: str | None
    needs: tuple[str, ...] = Field(description="keys of the runs that must succeed before")


class PlannedTrunk(BaseModel):
    """A planned dense training that runs share."""

    identity: str = Field(description="names all that a spec says about it")
    trial: int
    exists: bool = Field(description="some run has done it; if data and device fit, it is reused")


class Memory(BaseModel):
    """An estimate of the most memory that a run of the job needs, in bytes."""

    model_config = ConfigDict(from_attributes=True)

    total: int = Field(description="the peak; training and evaluation are not at the same time")
    process: int = Field(description="Python, TensorFlow and compiled programs")
    data: int = Field(description="the data set")
    weights: int = Field(description="weights, gradients, the optimizer's slots, and copies")
    training: int = Field(description="what the layers compute for a batch, and its gradients")
    evaluation: int = Field(description="what the layers compute for a batch of an evaluation")
    layer: str = Field(
        description="the layer that needs most in training", examples=["layer 0 (conv2d)"]
    )


class Plan(BaseModel):
    """The plan of a spec."""

    spec_hash: str
    runs: list[PlannedRunView]
    trunks: list[PlannedTrunk]
    parameters: int = Field(description="weights of the network, biases and all")
    prunable: int = Field(description="those of them that can be pruned")
    estimate: Estimate
    memory: Memory
    remarks: list[str] = Field(description="what is no error, but may be a mistake, in sentences")


def planned(session: Session, spec: Spec, pool: str) -> Plan:
    """Plan a spec, with its existing trunks and the speed of similar runs in a pool."""
    runs = plan(spec)
    first = {run.trunk: run for run in reversed(runs)}
    there = speeds.trained(session, list(first))
    trunks = [
        PlannedTrunk(identity=identity, trial=run.trial, exists=identity in there)
        for identity, run in sorted(first.items(), key=lambda item: item[1].trial)
    ]
    level = spec.training.iterations(spec.samples) * spec.training.batch_size
    rounds = {experiment.name: levels_of(spec, experiment) for experiment in spec.expanded}
    work = [Work(run.key, run.needs, level * _levels(run, rounds, there)) for run in runs]
    measured = speeds.recent(session, pool)
    return Plan(
        spec_hash=spec_hash(spec),
        runs=[PlannedRunView.model_validate(run) for run in runs],
        trunks=trunks,
        parameters=sum(layer.parameters for layer in spec.layers),
        prunable=sum(prod(layer.kernel_shape) for layer in spec.layers if layer.kernel_shape),
        estimate=estimate(spec, work, measured, workers.serving(session, pool)),
        memory=Memory.model_validate(estimate_memory(spec)),
        remarks=list(remarks(session, spec, pool)),
    )


def _levels(run: PlannedRun, rounds: Mapping[str, int], trained: set[str]) -> int:
    """The number of levels that a run trains."""
    dense = 0 if run.trunk in trained else 1
    if run.experiment is None:
        return dense
    return rounds[run.experiment] + (0 if run.needs else dense)
