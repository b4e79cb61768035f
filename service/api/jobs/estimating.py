"""Estimates the time of a job from the measured speeds of similar runs, or says that it cannot."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from heapq import heappop, heappush, heapreplace
from math import inf, log, sqrt
from statistics import median
from typing import Literal

from pydantic import BaseModel, Field, ValidationError

from lth.spec.cost import has_convolutions, multiply_adds
from lth.spec.document import Spec, parse_spec
from service.store.runs.speeds import Measured

_SIMILAR = 8.0
"""Networks are similar if one computes at most this many times as much as the other."""
_SIMILAR_BATCH = 4.0
_NEAREST = 10
_FEW = 3
_MARGIN = 1.25
"""With few measurements, the range is widened by this factor, because machines vary."""

Basis = Literal["same_network", "similar_networks", "nothing_similar", "nothing_measured"]


@dataclass(frozen=True, slots=True)
class Work:
    """A run: the runs that it needs, and the training samples that it sees."""

    key: str
    needs: Sequence[str]
    samples: int


class Estimate(BaseModel):
    """An estimate of the time of a job. Ranges are from the least to the most seconds."""

    samples: int = Field(description="training samples to be seen, over all runs and levels")
    samples_per_second: float | None = Field(description="expected, with evaluations")
    device_seconds: float | None = Field(
        description="of all runs together; null if no similar run was measured"
    )
    device_range: tuple[float, float] | None
    elapsed_seconds: float | None = Field(
        description="until the job ends if no other job runs; null without a worker too"
    )
    elapsed_range: tuple[float, float] | None
    workers: int = Field(description="workers of the pool, on which the runs share the time")
    basis: Basis = Field(
        description="what was measured in the pool lately: runs of this network on this data, or "
        "of similar ones; or nothing of either kind"
    )
    measured_runs: int = Field(description="number of these runs")


@dataclass(frozen=True, slots=True)
class _Speed:
    """Samples per second: expected, and the slowest and the fastest that is plausible."""

    expected: float
    slowest: float
    fastest: float


@dataclass(frozen=True)
class _Network:
    """What the speed of a network depends on."""

    spec: Spec

    @cached_property
    def cost(self) -> int:
        return max(multiply_adds(self.spec), 1)

    @cached_property
    def convolves(self) -> bool:
        return has_convolutions(self.spec)

    def distance(self, other: "_Network") -> float:
        """How different two networks are; infinite if they are not similar."""
        size = abs(log(self.cost / other.cost))
        batch = abs(log(self.spec.training.batch_size / other.spec.training.batch_size))
        alike = self.convolves == other.convolves
        similar = size <= log(_SIMILAR) and batch <= log(_SIMILAR_BATCH)
        return size + batch if alike and similar else inf


def estimate(
    spec: Spec, work: Sequence[Work], measured: Sequence[Measured], workers: int
) -> Estimate:
    """Estimate the time of a job.

    Args:
        spec: the spec of the job.
        work: its runs; runs that a run needs come before it.
        measured: the last runs of the pool.
        workers: number of workers of the pool.
    """
    basis, used, speed = _speed(spec, measured)
    samples = sum(each.samples for each in work)
    if speed is None:
        return Estimate(
            samples=samples,
            samples_per_second=None,
            device_seconds=None,
            device_range=None,
            elapsed_seconds=None,
            elapsed_range=None,
            workers=workers,
            basis=basis,
            measured_runs=0,
        )
    others = sorted(each.other_seconds for each in used if each.other_seconds is not None) or [0.0]
    # The first run of a process compiles for long, and the next ones do not.
    least = others[0] if len(others) >= _FEW else 0.0
    cases = [
        (speed.expected, median(others)),
        (speed.fastest, least),
        (speed.slowest, others[-1]),
    ]
    device = [samples / per_second + len(work) * other for per_second, other in cases]
    elapsed = [_elapsed(work, *case, workers) for case in cases] if workers else None
    return Estimate(
        samples=samples,
        samples_per_second=speed.expected,
        device_seconds=device[0],
        device_range=(device[1], device[2]),
        elapsed_seconds=elapsed[0] if elapsed else None,
        elapsed_range=(elapsed[1], elapsed[2]) if elapsed else None,
        workers=workers,
        basis=basis,
        measured_runs=len(used),
    )


def _elapsed(work: Sequence[Work], per_second: float, other: float, workers: int) -> float:
    """Seconds until all runs have ended, if a free worker takes the next run that can start."""
    place = {each.key: number for number, each in enumerate(work)}
    missing = [len(each.needs) for each in work]
    dependents: dict[int, list[int]] = {}
    for number, each in enumerate(work):
        for key in each.needs:
            dependents.setdefault(place[key], []).append(number)
    later = [(0.0, number) for number, count in enumerate(missing) if not count]
    ready: list[int] = []
    from_when = [0.0] * len(work)
    free = [0.0] * workers
    while later or ready:
        now = free[0] if ready else max(free[0], later[0][0])
        while later and later[0][0] <= now:
            heappush(ready, heappop(later)[1])
        number = heappop(ready)
        ended = now + other + work[number].samples / per_second
        heapreplace(free, ended)
        for dependent in dependents.get(number, ()):
            missing[dependent] -= 1
            from_when[dependent] = max(from_when[dependent], ended)
            if not missing[dependent]:
                heappush(later, (from_when[dependent], dependent))
    return max(free)


def _speed(
    spec: Spec, measured: Sequence[Measured]
) -> tuple[Basis, Sequence[Measured], _Speed | None]:
    """The speed of a network, and the measurements that it follows from."""
    same = [each for each in measured if _key(each.spec) == _key(spec.model_dump(mode="json"))]
    if same:
        speeds = [each.samples_per_second for each in same]
        margin = _MARGIN if len(same) < _FEW else 1.0
        return (
            "same_network",
            same,
            _Speed(median(speeds), min(speeds) / margin, max(speeds) * margin),
        )
    wanted = _Network(spec)
    near = sorted(_similar(wanted, measured), key=lambda found: found[0])[:_NEAREST]
    if not near:
        return ("nothing_similar" if measured else "nothing_measured"), (), None
    # A network that computes twice as much takes up to twice as long; small ones take as long.
    bounds = [
        sorted((each.samples_per_second, each.samples_per_second * other.cost / wanted.cost))
        for _, other, each in near
    ]
    speed = _Speed(
        median(sqrt(slow * fast) for slow, fast in bounds),
        min(slow for slow, _ in bounds) / _MARGIN,
        max(fast for _, fast in bounds) * _MARGIN,
    )
    return "similar_networks", [each for _, _, each in near], speed


def _similar(
    wanted: _Network, measured: Sequence[Measured]
) -> Iterator[tuple[float, _Network, Measured]]:
    """Measurements of similar networks, with the distance of the network."""
    known: dict[str, tuple[float, _Network] | None] = {}
    for each in measured:
        key = _key(each.spec)
        if key not in known:
            known[key] = _compared(wanted, each)
        found = known[key]
        if found is not None and found[0] < inf:
            yield *found, each


def _compared(wanted: _Network, measured: Measured) -> tuple[float, _Network] | None:
    try:
        other = _Network(parse_spec(measured.spec))
    except ValidationError:  # of an older version
        return None
    return wanted.distance(other), other


def _key(spec: dict[str, object]) -> str:
    """The parts of a spec that determine the speed of its training."""
    training = spec.get("training")
    said = dict(training) if isinstance(training, dict) else {}
    parts = [
        spec.get("network"),
        spec.get("dataset"),
        *(said.get(name) for name in ("batch_size", "augmentation", "evaluate_every")),
    ]
    return json.dumps(parts, sort_keys=True)
