"""A rig on this module's own database; workers are started by the tests that need them."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from service.settings import Settings
from tests.worker.rig import STAND_IN, Rig


@pytest.fixture(scope="module")
def rig(
    postgres, _migrated: str, _valkey: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rig]:
    """The store and the broker, with quick leases and sweeps, and no process yet."""
    folder: Path = tmp_path_factory.mktemp("rig")
    name = f"rig_{uuid4().hex}"
    postgres.create_database(name, template=_migrated)
    settings = Settings(
        database_url=postgres.url(name),
        broker_url=_valkey,
        object_store_url=(folder / "blobs").as_uri(),
        execution=STAND_IN,
        worker_processes=2,
        lease_seconds=2,
        heartbeat_seconds=0.5,
        sweep_seconds=1,
        checkpoint_seconds=0.2,
        drain_seconds=5,
        deaf_seconds=1,
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
