"""Jobs with finished runs, results and files, without a worker."""

from collections.abc import Collection
from typing import Any

import httpx
import numpy as np

from lth.core.npz import encode
from lth.results.artifacts import INITIAL_WEIGHTS, MASKS, NPZ, level_weights
from lth.results.schemas import LayerDensity, RunResult
from lth.spec.plan import RunKind
from service.settings import Settings
from service.store.blobs import saving
from service.store.blobs.object_store import Blobs
from service.store.database import Database
from service.store.runs import claims, finishing, leases
from service.store.runs.claims import Claimed
from service.store.runs.finishing import Failure, Kept, Success
from service.store.states import Reason
from tests.lth.plots import made_up

LAYERS = {"linear_1": (64, 20), "linear_2": (20, 10)}
ROBUST: dict[str, Any] = {
    "kind": "robust",
    "trials": 3,
    "experiments": [
        {"name": "ticket"},
        {"name": "control", "control": {"kind": "random_weights", "of": "ticket"}},
    ],
}


def submitted(api: httpx.Client, spec: dict[str, Any] | None = None) -> str:
    answer = api.post("/v1/jobs", json={"kind": "model", **(spec or {})})
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


def finish_runs(
    database: Database, settings: Settings, failing: Collection[str] = (), most: int = 100
) -> list[str]:
    """Finish the queued runs, of which some fail; return the keys of the runs in order."""
    blobs = Blobs(settings.object_store_url, settings.object_store_options)
    ended = []
    while len(ended) < most:
        with database.transaction() as session:
            claimed = claims.claim(session, "host/1/1", ["cpu"], settings)
        if claimed is None:
            break
        ended.append(claimed.planned.key)
        if claimed.planned.key in failing:
            with database.transaction() as session:
                failure = Failure(Reason.DIVERGED, "the loss is NaN")
                finishing.fail(session, claimed.lease, failure, settings)
            continue
        success = _success(claimed, database, blobs)
        with database.transaction() as session:
            finishing.succeed(session, claimed.lease, success, settings)
    return ended


def publish_levels(database: Database, settings: Settings, levels: int) -> Claimed:
    """Claim the next experiment, and publish its first levels as its worker does."""
    while True:
        with database.transaction() as session:
            claimed = claims.claim(session, "host/1/1", ["cpu"], settings)
        assert claimed is not None
        if claimed.planned.kind is RunKind.EXPERIMENT:
            break
        with database.transaction() as session:
            finishing.succeed(session, claimed.lease, Success(None, []), settings)
    publish_again(database, settings, claimed, levels)
    return claimed


def publish_again(database: Database, settings: Settings, claimed: Claimed, levels: int) -> None:
    """Publish the first levels of a claimed run."""
    blobs = Blobs(settings.object_store_url, settings.object_store_options)
    success = _success(claimed, database, blobs)
    assert success.result is not None
    partial = success.result.model_copy(
        update={"levels": success.result.levels[:levels], "partial": True}
    )
    later = {level_weights(number) for number in range(levels, len(success.result.levels))}
    files = [kept for kept in success.artifacts if kept.name not in later]
    checkpoint = saving.save(database, blobs, f"checkpoint after {levels}".encode())
    with database.transaction() as session:
        leases.save_checkpoint(session, claimed.lease, checkpoint.digest)
        finishing.publish(session, claimed.lease, partial, files)


def succeed(database: Database, settings: Settings, claimed: Claimed) -> None:
    """End a claimed run with its whole result."""
    blobs = Blobs(settings.object_store_url, settings.object_store_options)
    success = _success(claimed, database, blobs)
    with database.transaction() as session:
        finishing.succeed(session, claimed.lease, success, settings)


def _success(claimed: Claimed, database: Database, blobs: Blobs) -> Success:
    planned = claimed.planned
    if planned.kind is not RunKind.EXPERIMENT:
        return Success(None, [])
    rng = np.random.default_rng(planned.trial)
    weights = {
        f"{name}/kernel": rng.normal(size=shape).astype(np.float32)
        for name, shape in LAYERS.items()
    }
    masks = {f"level-1/{name}": rng.random(shape) < 0.2 for name, shape in LAYERS.items()}
    files = {
        MASKS: encode(masks),
        INITIAL_WEIGHTS: encode(weights),
        level_weights(0): encode(weights),
        level_weights(1): encode({name: 2 * kernel for name, kernel in weights.items()}),
    }
    kept = [
        Kept(name, blob, NPZ)
        for name, blob in zip(files, saving.save_all(database, blobs, files.values()), strict=True)
    ]
    return Success(result(planned.experiment or "", planned.trial), kept)


def result(experiment: str, trial: int) -> RunResult:
    """The result of a run with these layers."""
    run = made_up.run(experiment=experiment, trial=trial, special=experiment == "ticket")
    levels = []
    for level in run.levels:
        share = 1.0 if level.level == 0 else 0.2
        sizes = {name: int(np.prod(shape)) for name, shape in LAYERS.items()}
        layers = tuple(
            LayerDensity(name=name, kept=int(share * size), total=size, density=share)
            for name, size in sizes.items()
        )
        levels.append(level.model_copy(update={"layers": layers}))
    return run.model_copy(update={"levels": tuple(levels)})
