"""A rig with a database for each test module; tests start the workers that they need.

`child` is no process of its own: what a child does can be looked at step by step.
"""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import cast
from uuid import uuid4

import pytest

from service.hints import Hints
from service.settings import Settings
from service.store.blobs.object_store import Blobs
from service.store.database import Database
from tests.worker.rig import STAND_IN, Rig
from worker.child.child import Child
from worker.child.execution import Execution


@pytest.fixture(scope="module")
def rig(
    postgres, _migrated: str, _valkey: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rig]:
    """The store and the broker, with short leases and frequent sweeps, without processes."""
    folder: Path = tmp_path_factory.mktemp("rig")
    name = f"rig_{uuid4().hex}"
    postgres.create_database(name, template=_migrated)
    settings = Settings(
        database_url=postgres.url(name),
        broker_url=_valkey,
        object_store_url=(folder / "blobs").as_uri(),
        execution=STAND_IN,
        worker_processes=2,
        lease_seconds=6,
        heartbeat_seconds=0.5,
        sweep_seconds=1,
        checkpoint_seconds=0.2,
        drain_seconds=5,
        unresponsive_seconds=5,
    )
    rig = Rig(settings, folder)
    yield rig
    rig.close()
    postgres.drop_database(name)


@pytest.fixture(scope="module")
def workers(rig: Rig) -> Iterator[Rig]:
    """The rig with a worker of two children, and the sweeper."""
    worker, beat = rig.start(), rig.start("beat")
    yield rig
    for process in (worker, beat):
        if process in rig.processes:
            rig.stop(process)


@pytest.fixture
def child(database_url: str, broker_url: str, object_store_url: str) -> Iterator[Child]:
    """A child with one core in this process; it is not registered yet."""
    settings = Settings(
        database_url=database_url,
        broker_url=broker_url,
        object_store_url=object_store_url,
        heartbeat_seconds=0.02,
        commit_retry_seconds=60,
    )
    child = Child(
        settings=settings,
        pools=("cpu",),
        gpu=None,
        nvml=None,
        database=Database(database_url, pool_size=4),
        blobs=Blobs(object_store_url),
        hints=Hints(broker_url),
        execution=cast(Execution, importlib.import_module(STAND_IN)),
        id="host/1/2",
    )
    yield child
    child.database.close()
    child.hints.close()
