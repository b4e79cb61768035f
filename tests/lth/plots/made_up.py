"""Plausible results without any training."""

from collections.abc import Sequence

import numpy as np

from lth.results.schemas import (
    At,
    Environment,
    History,
    LayerDensity,
    LevelResult,
    RunResult,
    Scores,
    Untrained,
)

LENET = {"linear": (784, 300), "linear_1": (300, 100), "linear_2": (100, 10)}


def run(
    densities: Sequence[float] = (1.0, 0.2),
    *,
    experiment: str = "ticket",
    trial: int = 1,
    points: int = 50,
    every: int = 100,
    special: bool = True,
) -> RunResult:
    """A run whose accuracy falls with sparsity, and faster if it is not special."""
    rng = np.random.default_rng([trial, len(experiment), points])
    levels = [
        level(number, density, rng, points=points, every=every, special=special or number == 0)
        for number, density in enumerate(densities)
    ]
    return RunResult(
        experiment=experiment,
        trial=trial,
        seed=trial,
        method=experiment,
        levels=tuple(levels),
        trunk_reused=False,
        environment=Environment(device="CPU", xla=True, versions={}),
        seconds=1.0,
    )


def level(
    number: int,
    density: float,
    rng: np.random.Generator,
    *,
    points: int = 50,
    every: int = 100,
    special: bool = True,
) -> LevelResult:
    iterations = np.arange(1, points + 1) * every
    density = max(density, 1e-6)
    hurt = (0.004 if special else 0.012) * np.log(density) ** 2 / 4
    speed = 400 * (1 - 0.12 * np.log10(1 / density) if special else 1 + np.log10(1 / density))
    noise = rng.normal(0, 0.0008, points)
    accuracy = np.clip(0.981 - hurt - 0.5 * np.exp(-iterations / speed) + noise, 0, 1)
    best = int(points * (0.55 if special else 0.85))
    overfit = np.maximum(0, iterations - best * every) / (every * points)
    loss = 0.07 + hurt * 3 + 1.6 * np.exp(-iterations / speed) + 0.05 * overfit + noise * 2
    layers = tuple(
        layer_density(
            name,
            round(np.prod(shape) * (density if place < 2 else (1 + density) / 2)),
            np.prod(shape),
        )
        for place, (name, shape) in enumerate(LENET.items())
    )
    stop = int(np.argmin(loss))
    kept = sum(layer.kept for layer in layers)
    total = sum(layer.total for layer in layers)
    return LevelResult(
        level=number,
        density=kept / total,
        sparsity=1 - kept / total,
        layers=layers,
        history=History(
            iterations=tuple(map(int, iterations)),
            train_loss=tuple(map(float, loss)),
            train_accuracy=tuple(map(float, accuracy)),
            validation_loss=tuple(map(float, loss)),
            validation_accuracy=tuple(map(float, accuracy)),
        ),
        early_stop=at(iterations[stop], loss[stop], accuracy[stop]),
        final=at(iterations[-1], loss[-1], accuracy[-1]),
        untrained=untrained(accuracy[stop], special=special) if number else None,
        seconds=1.0,
        samples_per_second=100_000.0,
    )


def layer_density(name: str, kept: float, total: float) -> LayerDensity:
    return LayerDensity(name=name, kept=int(kept), total=int(total), density=int(kept) / int(total))


def at(iteration: float, loss: float, accuracy: float) -> At:
    scores = Scores(loss=float(loss), accuracy=float(accuracy))
    return At(iteration=int(iteration), validation=scores, test=scores)


def untrained(accuracy: float, *, special: bool) -> Untrained:
    """Scores of untrained networks: high if the masks are special."""
    known = {"masked": 0.6, "signed_constant": 0.9, "rescaled": 0.7}
    return Untrained.model_validate(
        {
            variant: Scores(loss=2.0, accuracy=float(share * accuracy) if special else 0.1)
            for variant, share in known.items()
        }
    )


def stopping(result: RunResult, *at_the_end: bool) -> RunResult:
    """The run with the early stop of each level at its last evaluation, or before it."""
    levels = []
    for level, last in zip(result.levels, at_the_end, strict=True):
        iteration = level.history.iterations[-1 if last else -2]
        stop = level.early_stop.model_copy(update={"iteration": iteration})
        levels.append(level.model_copy(update={"early_stop": stop}))
    return result.model_copy(update={"levels": tuple(levels)})


def robust(trials: int, densities: Sequence[float] = (1.0, 0.2)) -> list[RunResult]:
    """A ticket and a control over trials."""
    return [
        run(densities, experiment=name, trial=trial, special=name == "ticket")
        for name in ("ticket", "control")
        for trial in range(1, trials + 1)
    ]
