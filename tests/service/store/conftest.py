"""A database for each test module, and short functions to fill it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from lth.spec.document import parse_spec
from lth.spec.plan import plan
from service.settings import Settings
from service.store.accounts.audit import Actor
from service.store.blobs.object_store import Blobs
from service.store.database import Database
from service.store.jobs import submitting
from service.store.jobs.submitting import Submission
from service.store.runs import claims
from service.store.runs.claims import Claimed

Submit = Callable[..., str]
Claim = Callable[..., Claimed | None]

SESSION: dict[str, Any] = {
    "kind": "session",
    "experiments": [
        {"name": "a"},
        {"name": "b"},
        {"name": "c", "control": {"kind": "random_weights", "of": "a"}},
    ],
}
"""A trunk, two tickets that need it, and a control that needs one of them."""


@pytest.fixture
def settings(database_url: str, object_store_url: str) -> Settings:
    return Settings(database_url=database_url, object_store_url=object_store_url)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, pool_size=20)
    yield database
    database.close()


@pytest.fixture
def blobs(object_store_url: str) -> Blobs:
    return Blobs(object_store_url)


@pytest.fixture
def submit(database: Database, settings: Settings) -> Submit:
    def submit(document: dict[str, Any] | None = None, owner: str = "ann", **options: Any) -> str:
        spec = parse_spec({"kind": "model", **(document or {})})
        submission = Submission(Actor(owner), spec, plan(spec), **options)
        return submitting.submit(database, submission, settings).job.id

    return submit


@pytest.fixture
def claim(database: Database, settings: Settings) -> Claim:
    def claim(
        pool: str = "cpu", worker: str = "host/1/1", memory: int | None = None
    ) -> Claimed | None:
        with database.transaction() as session:
            return claims.claim(session, worker, [pool], settings, memory)

    return claim


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """Collect the statements that the block sends."""
    seen: list[str] = []

    def note(*sent: Any) -> None:
        seen.append(sent[2])

    event.listen(database._engine, "before_cursor_execute", note)
    yield seen
    event.remove(database._engine, "before_cursor_execute", note)
