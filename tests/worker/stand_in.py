"""A stand-in for `lth.study.execution`: fast, deterministic, and as faulty as its labels say.

Labels: ``levels`` (2), ``seconds`` of a level (0), ``fail`` (at the last level: ``diverged``,
``memory``, ``gpu`` (once), ``bug``, ``user``, ``noise``), ``kill`` (SIGKILL to itself at the last
level), ``eat`` (all memory, at the last level), ``hang``,
``hold`` (at the last level, until `Rig.release` is called with that name),
``show`` (a variable of the environment), ``programs`` (it says to have made).

The file that ``LTH_TEST_GPU_TROUBLE`` names says what is wrong with the GPU, if it is there.
"""

import os
import signal
import time
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np

from lth.core.errors import Diverged, SpecError
from lth.engine.observer import Inputs, Outcome, Progress, Publisher
from lth.results.artifacts import MASKS, NPZ, Artifact
from lth.results.schemas import (
    At,
    Environment,
    History,
    LayerDensity,
    LevelResult,
    RunResult,
    Scores,
)
from lth.spec.document import Spec
from lth.spec.plan import Assignment, RunKind

_STEPS = 20
_PART = 0.05
_MOUTHFUL = 16 << 20
_programs = 0


def device_kind() -> str:
    return "stand-in"


def gpu_trouble(*, compute: bool) -> str | None:
    with suppress(FileNotFoundError):
        return Path(os.environ["LTH_TEST_GPU_TROUBLE"]).read_text() if compute else None
    return None


def programs_made() -> int:
    return _programs


def forget_data(most_bytes: int) -> bool:
    return False


def trunk_key(trunk: str, data_digest: str, device_kind: str) -> str:
    return trunk


def execute(spec: Spec, run: Assignment, inputs: Inputs, observer: Publisher) -> Outcome:
    global _programs
    _programs += int(spec.labels.get("programs", 0))
    levels = int(spec.labels.get("levels", 2))
    start = int(inputs.checkpoint.read() if inputs.checkpoint else b"0")
    print(f"starting at level {start}")
    if shown := spec.labels.get("show"):
        print(f"{shown}={os.environ.get(shown)}")
    if run.kind is RunKind.TRUNK:
        _level(spec, observer, 0, 0, 0)
        return Outcome(None, (), trunk=BytesIO(f"trunk {run.seed}".encode()))
    for level in range(1 if inputs.trunk and not start else start, levels):
        if level == levels - 1:
            _hold(spec, observer, level)
            _misbehave(spec)
        _level(spec, observer, level, levels - 1, level)
        observer.publish(
            Outcome(_result(run, level + 1, inputs.trunk is not None, partial=True), ())
        )
        _save(observer, level + 1)
    content = np.random.default_rng(run.seed).bytes(1000) + (run.experiment or "").encode()
    return Outcome(
        _result(run, levels, inputs.trunk is not None),
        (Artifact(MASKS, NPZ, lambda: content),),
        trunk=None if inputs.trunk else BytesIO(f"trunk {run.seed}".encode()),
    )


def _level(spec: Spec, observer: Publisher, level: int, levels: int, resume_at: int) -> None:
    seconds = float(spec.labels.get("seconds", 0))
    parts = max(1, round(seconds / _PART))
    for part in range(parts):
        iteration = (part + 1) * _STEPS // parts
        observer.progress(Progress(level, levels, iteration, _STEPS, 1e3))
        if iteration < _STEPS:
            _save(observer, resume_at)
        time.sleep(seconds / parts)


def _save(observer: Publisher, level: int) -> None:
    observer.checkpoint(lambda: BytesIO(str(level).encode()))


def _hold(spec: Spec, observer: Publisher, level: int) -> None:
    """Come to one evaluation point after another, for as long as a test needs."""
    if "hold" not in spec.labels:
        return
    released = Path(os.environ["LTH_TEST_FOLDER"], f"released-{spec.labels['hold']}")
    while not released.exists():
        observer.progress(Progress(level, level, 0, _STEPS, 1e3))
        _save(observer, level)
        time.sleep(_PART)


def _misbehave(spec: Spec) -> None:
    if "kill" in spec.labels:
        os.kill(os.getpid(), signal.SIGKILL)
    if "eat" in spec.labels:
        eaten = []
        while True:
            eaten.append(np.ones(_MOUTHFUL, np.uint8))
    if "hang" in spec.labels:
        time.sleep(3600)
    match spec.labels.get("fail"):
        case "diverged":
            raise Diverged("the loss is NaN at iteration 7")
        case "memory":
            raise MemoryError
        case "user":
            raise SpecError("this cannot be")
        case "gpu":
            trouble = Path(os.environ["LTH_TEST_GPU_TROUBLE"])
            if not trouble.with_name("was").exists():
                trouble.with_name("was").touch()
                trouble.write_text("an illegal memory access")
                raise RuntimeError("CUDA_ERROR_ILLEGAL_ADDRESS")
        case "bug":
            print("something on the way to the defect")
            raise KeyError("defect")
        case "noise":
            raise ValueError("noise: \0 \udc80 " + 1_000_000 * "x")


def _result(run: Assignment, levels: int, reused: bool, *, partial: bool = False) -> RunResult:
    scores = Scores(loss=1.0, accuracy=0.5)
    at = At(iteration=1, validation=scores, test=scores)
    return RunResult(
        experiment=run.experiment or "",
        trial=run.trial,
        seed=run.seed,
        levels=tuple(
            LevelResult(
                level=level,
                density=0.5**level,
                sparsity=1 - 0.5**level,
                layers=(LayerDensity(name="d", kept=1, total=2, density=0.5),),
                history=History(
                    iterations=(1,),
                    train_loss=(1.0,),
                    train_accuracy=(0.5,),
                    validation_loss=(1.0,),
                    validation_accuracy=(0.5,),
                ),
                early_stop=at,
                final=at,
                seconds=0.0,
                samples_per_second=1.0,
            )
            for level in range(levels)
        ),
        trunk_reused=reused,
        environment=Environment(device="none", xla=False, versions={}),
        seconds=0.0,
        partial=partial,
    )
