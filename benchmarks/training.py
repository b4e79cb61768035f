"""``make bench``: compares the engine with alternatives on this machine.

Contestants run one after the other, each in its own process, so each has all cores. Figures are
medians over the rounds. Ratios are computed for each round.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
"""The threads of a worker's child on a CPU; a notebook uses all cores for one run."""
ONE_BLAS_THREAD = {"OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Contest:
    """Contestants that do the same work, and the target ratios of their speeds.

    Attributes:
        title: description of the work.
        epochs: number of epochs of each training.
        environment: environment variables for each contestant.
        marks: a contestant, another one, and how many times as fast the first should be.
        parts: for a contestant that does only 1/n of the work: n.
        floor: the contestant that computes only the products.
    """

    title: str
    epochs: int
    environment: dict[str, dict[str, str]]
    marks: tuple[tuple[str, str, float], ...]
    parts: dict[str, int] = field(default_factory=dict)
    floor: str = ""


CONTESTS = (
    Contest(
        "LeNet-300-100 on MNIST, batch 60, one dense training",
        9,
        {
            "engine": {},
            "engine-noise": {},
            "engine-thread": ONE_THREAD,
            "keras-fit": {},
            "jax-scan": {},
            "products": ONE_BLAS_THREAD,
        },
        (("engine", "keras-fit", 4.5), ("engine-noise", "engine", 0.8)),
        floor="products",
    ),
    Contest(
        "the same, five trials",
        3,
        {
            "two-workers": {},
            "keras-fit-five": {},
            "jax-vmap": {},
            "products": ONE_BLAS_THREAD,
        },
        (("two-workers", "keras-fit-five", 9.0), ("two-workers", "jax-vmap", 1.5)),
        floor="products",
    ),
    Contest(
        "a session of ten experiments on one trunk, and ten separate pairs of fits",
        3,
        {"session": {}, "keras-fit-pairs": {}},
        (("session", "keras-fit-pairs", 15.0),),
        {"keras-fit-pairs": 5},
    ),
    Contest(
        "Conv-2, images of CIFAR-10's shape, batch 60",
        6,
        {"engine-conv": {}, "tensorflow-conv": {}, "keras-fit-conv": {}, "convolutions": {}},
        (("engine-conv", "tensorflow-conv", 1.0), ("engine-conv", "keras-fit-conv", 1.5)),
        floor="convolutions",
    ),
)

ABOUT = {
    "engine": "engine",
    "engine-noise": "engine, with BatchNormalization and Dropout",
    "engine-thread": "engine, one thread",
    "engine-conv": "engine",
    "two-workers": "engine, two workers of one thread",
    "session": "engine, two workers, one trunk",
    "keras-fit": "Keras fit, masked layers",
    "keras-fit-five": "Keras fit, five times",
    "keras-fit-conv": "Keras fit, masked layers",
    "keras-fit-pairs": "Keras fit, twenty times (four are timed)",
    "tensorflow-conv": "TensorFlow, a loop over a graph step",
    "jax-scan": "JAX, lax.scan over an epoch",
    "jax-vmap": "JAX, vmap over five trials",
    "products": "NumPy, the matrix products alone, two processes",
    "convolutions": "TensorFlow, convolutions and products alone",
}


def main() -> None:
    """Run the contests, and print a table for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="turns of each contestant")
    parser.add_argument("--only", default="", help="part of a contest's title")
    chosen = parser.parse_args()
    console = Console(width=100)
    console.print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores")
    for contest in CONTESTS:
        if chosen.only in contest.title:
            console.print(_table(contest, _run_contest(contest, chosen.rounds)))
            console.print()


def _run_contest(contest: Contest, rounds: int) -> dict[str, list[dict[str, Any]]]:
    turns_of: dict[str, list[dict[str, Any]]] = {name: [] for name in contest.environment}
    for _ in range(rounds):
        for name, environment in contest.environment.items():
            turns_of[name].append(_turn(name, contest.epochs, environment))
    return turns_of


def _turn(name: str, epochs: int, environment: dict[str, str]) -> dict[str, Any]:
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ, **environment}
    command = [sys.executable, "-m", "benchmarks.contestants", name, str(epochs)]
    done = subprocess.run(command, env=quiet, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _table(contest: Contest, turns_of: dict[str, list[dict[str, Any]]]) -> Table:
    # Contestants do different amounts of work; the time for all of their work is compared.
    seconds = {
        name: [turn["seconds"] * contest.parts.get(name, 1) for turn in turns]
        for name, turns in turns_of.items()
    }
    speeds = {
        name: [t["samples"] / t["seconds"] for t in turns] for name, turns in turns_of.items()
    }
    table = Table(title=contest.title, title_justify="left")
    table.add_column("contestant")
    for column in _COLUMNS:
        table.add_column(column, justify="right")
    for name, turns in turns_of.items():
        table.add_row(
            ABOUT[name],
            *_middle_and_range(speeds[name], ",.0f"),
            f"{median(seconds[name]):.1f}",
            f"{median(turn['peak_mb'] for turn in turns):,.0f}",
            f"{median(turn['compiled'] for turn in turns):.0%}",
        )
    for name, other, mark in contest.marks:
        table.add_section()
        ratios = _in_turn(seconds[other], seconds[name])
        held_against = f"{ABOUT[name]} : {ABOUT[other]}"
        table.add_row(held_against, *_middle_and_range(ratios, ".2f"), f"mark {mark}")
    if contest.floor:
        table.add_section()
        first = contest.marks[0][0]
        shares = _in_turn(speeds[first], speeds[contest.floor])
        table.add_row(f"{ABOUT[first]} : the floor", *_middle_and_range(shares, ".2f"))
    return table


def _in_turn(these: list[float], those: list[float]) -> list[float]:
    """The ratio in each round, because timings on a machine vary from hour to hour."""
    return [this / that for this, that in zip(these, those, strict=True)]


def _middle_and_range(values: list[float], form: str) -> tuple[str, str]:
    return f"{median(values):{form}}", f"{min(values):{form}} to {max(values):{form}}"


_COLUMNS = ("samples/s", "range", "seconds", "peak MB", "compiled")

if __name__ == "__main__":
    main()
