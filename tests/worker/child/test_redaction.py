"""Clients cannot read addresses or secrets of the service."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from service.settings import Settings
from service.store.database import Database
from service.store.runs import runs
from tests.worker.relay import relayed
from tests.worker.rig import Rig
from worker.child.redaction import Redaction

pytestmark = pytest.mark.timeout(600)

PASSWORD, KEY = "s3cr3t-p@ss/word", "AKIAPLANTEDKEY"
SETTINGS = Settings(
    database_url="postgresql://lth:s3cr3t-p%40ss%2Fword@db.internal.example:5432/lth",
    broker_url="redis://:brokerpass@broker.internal.example:6379/0",
    object_store_url="s3://planted-bucket/prefix",
    object_store_options={
        "endpoint": "http://store.internal.example:8333",
        "access_key_id": KEY,
        "secret_access_key": "planted-secret-key",
        "region": "us-east-1",
    },
    signing_secret=SecretStr("planted-signing-secret"),
)
PLANTED = (
    "db.internal.example",
    PASSWORD,
    "s3cr3t-p%40ss%2Fword",
    "brokerpass",
    "broker.internal.example",
    "planted-bucket",
    "store.internal.example",
    KEY,
    "planted-secret-key",
    "planted-signing-secret",
    "10.9.8.7",
    "UPDATE runs",
)
SAID = [
    'connection failed: connection to server at "10.9.8.7", port 5432 failed: Connection refused',
    'connection to server at "db.internal.example" (10.9.8.7), port 5432 failed: timeout expired',
    f"could not connect with password {PASSWORD} of db.internal.example",
    "Error 111 connecting to 10.9.8.7:6379. Connection refused.",
    "Error -2 connecting to broker.internal.example:6379. Name or service not known.",
    "redis://:brokerpass@broker.internal.example:6379/0 is unavailable",
    "Generic S3 error: http://store.internal.example:8333/planted-bucket/prefix/ab: refused",
    f"access key {KEY}, secret planted-secret-key",
    "(psycopg.errors.LockNotAvailable) canceling\n[SQL: UPDATE runs SET state=%(state)s]\n"
    "[parameters: {'state': 'planted-signing-secret'}]\n(Background on this error)",
    "signed with planted-signing-secret",
    "(psycopg.errors.UndefinedTable)\n[SQL: UPDATE runs SET a[1] = b] WHERE x = 10.9.8.7]\n"
    "(Background on this error)",
    "duplicate key\nDETAIL:  Key (name)=(db.internal.example 10.9.8.7) already exists.",
    "failed to resolve host '10.9.8.7': Name or service not known",
    'could not translate host name "10.9.8.7" to address',
    "Timeout reading from 10.9.8.7:6379",
    "Error 2 connecting to unix socket: /run/10.9.8.7/redis.sock.",
]


@pytest.mark.parametrize("said", SAID)
def test_addresses_secrets_and_statements_are_hidden(said: str) -> None:
    shown = Redaction(SETTINGS).text(said)
    assert "[hidden]" in shown
    for planted in PLANTED:
        assert planted not in shown, shown


@pytest.mark.parametrize(
    "said",
    [
        "attempt 1 at 'trial-1/ticket' of job_1",
        "level 1, iteration 400: validation loss 0.25, accuracy 95.56 %",
        "the loss is NaN at iteration 7",
        "ValueError: shapes (3, 4) and (5,) do not fit",
    ],
)
def test_messages_of_a_run_are_not_redacted(said: str) -> None:
    assert Redaction(SETTINGS).text(said) == said


def test_common_words_are_not_redacted_if_they_are_option_values() -> None:
    settings = Settings(
        database_url="postgresql://lth:planted-password@db/lth?sslmode=require",
        object_store_url="s3://planted-bucket",
        object_store_options={"allow_http": "true", "secret_access_key": "planted-key"},
    )
    said = "levels require true or false"
    assert Redaction(settings).text(said) == said
    assert Redaction(settings).text("planted-key, planted-password") == "[hidden], [hidden]"


def test_a_folder_with_an_unusual_name_is_not_shown() -> None:
    settings = Settings(
        database_url="postgresql://lth@/lth?host=/My%20Data/postgres/socket",
        object_store_url="file:///My%20Data/Z%C3%BCrich/blobs",
    )
    shown = Redaction(settings).text
    assert shown("[Errno 28] No space left: '/My Data/Zürich/blobs/ab'") == (
        "[Errno 28] No space left: '[hidden]/ab'"
    )
    assert shown("no socket in /My Data/postgres/socket") == "no socket in [hidden]"


def test_a_log_with_invalid_utf8_is_redacted() -> None:
    content = b"\xff\xfe db.internal.example \0"
    assert Redaction(SETTINGS).bytes(content) == b"\xff\xfe [hidden] \0"


def test_an_error_of_a_statement_does_not_show_its_parameters(database_url: str) -> None:
    database = Database(database_url, 1)
    with pytest.raises(DBAPIError) as caught, database.transaction() as session:
        session.execute(text("SELECT * FROM nowhere WHERE a = :a"), {"a": "planted"})
    assert "planted" not in str(caught.value)
    database.close()


def test_no_text_for_members_contains_an_address(rig: Rig, tmp_path: Path) -> None:
    """The database is unavailable during a run, and the object store at its end."""
    with relayed(rig.settings.database_url) as (address, relay):
        port = str(relay.listener.getsockname()[1])
        folder = tmp_path / "planted-store"
        folder.mkdir()
        worker = rig.start(
            database_url=address,
            object_store_url=folder.as_uri(),
            worker_pools="far",
            commit_retry_seconds=2,
            checkpoint_seconds=1000,
        )
        job_id = rig.submit({"labels": {"hold": "planted", "levels": "2"}}, pool="far")
        rig.wait_running(job_id)
        for one in relay.held:
            one.shutdown(2)
        folder.rename(tmp_path / "away")
        folder.write_text("no folder")
        rig.release("planted")
        job = rig.wait(job_id)
        rig.stop(worker)
    found: list[Any] = [job.failure]
    for run in rig.runs(job_id):
        found += [run.failure_message, run.log_tail]
        if run.log_digest:
            found.append(rig.blobs.get(run.log_digest).decode(errors="replace"))
    with rig.database.transaction() as session:
        found.append(runs.documents(session, job_id))
    found += [event.data for event in rig.events(job_id)]
    said = json.dumps(found, default=str)
    assert job.failure is not None
    assert "the object store failed" in said
    for planted in ("planted-store", f":{port}", f"port {port}", "postgresql://", "[SQL"):
        assert planted not in said, said
