"""Administrators create and revoke keys."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import select

from lth.client.tokens import TOKEN, new_token
from service.settings import Settings
from service.store.accounts import keys
from service.store.tables import ApiKey, Role
from tests.service.api.conftest import ADMIN, client
from tests.service.api.test_submitting import pointers, problem
from tests.worker.rig import eventually

NEW = {"owner": "ada", "role": "member", "name": "laptop"}
API_WITH_LONG_KEY_CACHE = """
import socket, sys
import uvicorn
from service.api.accounts import key_cache
from service.api.app import create
key_cache.REMEMBERED_SECONDS = 3_600.0
server = uvicorn.Server(uvicorn.Config(create(), log_config=None))
server.run(sockets=[socket.socket(fileno=int(sys.argv[1]))])
"""


@pytest.fixture
def other_process(settings: Settings) -> Iterator[str]:
    """The address of another API process, whose key cache does not expire."""
    names = ("database_url", "broker_url", "object_store_url")
    env = {f"LTH_{name.upper()}": getattr(settings, name) for name in names}
    with socket.create_server(("127.0.0.1", 0)) as listening:
        number = listening.fileno()
        command = [sys.executable, "-c", API_WITH_LONG_KEY_CACHE, str(number)]
        process = subprocess.Popen(command, env={**os.environ, **env}, pass_fds=[number])
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    try:
        assert httpx.get(f"{address}/healthz", timeout=100).is_success
        yield address
    finally:
        process.terminate()
        process.wait(60)


def test_a_key_is_shown_once_and_identifies_its_owner(api, address):
    created = api.post("/v1/keys", json=NEW)
    assert created.status_code == 201
    token = created.json()["key"]
    assert TOKEN.fullmatch(token)
    assert token.startswith(created.json()["prefix"])
    with client(address, token) as ada:
        assert ada.post("/v1/jobs", json={"kind": "model"}).json()["owner"] == "ada"
    listed = api.get("/v1/keys").json()["keys"]
    assert [key["owner"] for key in listed] == ["ada", "admin"]
    assert listed[0]["used_at"] is not None
    assert token not in api.get("/v1/keys").text
    assert api.get("/v1/keys", params={"owner": "eve"}).json() == {"keys": [], "cursor": None}


def test_the_database_does_not_contain_the_secret(api, database):
    created = api.post("/v1/keys", json=NEW).json()
    token = created["key"]
    with database.transaction() as session:
        for key in session.scalars(select(ApiKey)):
            assert token[len(created["prefix"]) + 1 :] not in str(vars(key))


def test_a_revoked_key_is_refused(api, address):
    created = api.post("/v1/keys", json=NEW).json()
    with client(address, created["key"]) as ada:
        assert ada.get("/v1/jobs").status_code == 200
        revoked = api.delete(f"/v1/keys/{created['id']}")
        assert revoked.json()["revoked_at"] is not None
        problem(ada.get("/v1/jobs"), 401, "unauthenticated")
    assert api.delete(f"/v1/keys/{created['id']}").json() == revoked.json()


def test_a_key_is_refused_as_soon_as_it_expires(address, database):
    token, soon = new_token(), datetime.now(UTC) + timedelta(seconds=1)
    with database.transaction() as session:
        keys.create(session, token, owner="ada", role=Role.MEMBER, name="", expires_at=soon)
    with client(address, token) as ada:
        while datetime.now(UTC) < soon:
            status = ada.get("/v1/jobs").status_code
            assert status == 200 or datetime.now(UTC) >= soon
        problem(ada.get("/v1/jobs"), 401, "unauthenticated")


WRONG_HEADERS = [
    "",
    "Bearer",
    "Bearer x",
    f"Basic {ADMIN}",
    ADMIN,
    f"Bearer {ADMIN}x",
    "Bearer é",
]


def test_a_malformed_or_unknown_key_is_refused(address):
    for header in WRONG_HEADERS:
        headers = [(b"Authorization", header.encode("latin-1"))]
        response = httpx.get(f"{address}/v1/jobs", headers=headers)
        problem(response, 401, "unauthenticated")
        assert response.headers["www-authenticate"].startswith("Bearer")


def test_wrong_fields_of_a_key_are_reported(api):
    wrong = {"owner": "Ada!", "role": "boss", "expires_at": "2001-01-01T00:00:00Z", "x": 1}
    document = problem(api.post("/v1/keys", json=wrong), 422, "invalid")
    assert pointers(document) == {"/owner", "/role", "/expires_at", "/x"}


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59Z"])
def test_an_expiry_in_the_year_9999_is_refused(api, moment):
    document = problem(api.post("/v1/keys", json={**NEW, "expires_at": moment}), 422, "invalid")
    assert pointers(document) == {"/expires_at"}


def test_a_new_operator_key_replaces_the_old_one(database):
    old, new = new_token(), new_token()
    with database.transaction() as session:
        for token in (old, new, new):
            keys.ensure_operators(session, token)
        assert keys.find(session, old) is None
        assert keys.find(session, new) is not None


def test_changes_are_in_the_audit_log(api):
    created = api.post("/v1/keys", json=NEW, headers={"X-Request-Id": "mine"}).json()
    api.delete(f"/v1/keys/{created['id']}")
    entries = api.get("/v1/audit").json()["entries"]
    assert [(entry["action"], entry["subject"]) for entry in entries] == [
        ("key.revoke", created["id"]),
        ("key.create", created["id"]),
    ]
    assert entries[1]["owner"] == "admin"
    assert entries[1]["request_id"] == "mine"


def test_a_key_revoked_by_one_process_is_refused_by_another(api, other_process):
    created = api.post("/v1/keys", json=NEW).json()
    with client(other_process, created["key"]) as ada:
        assert ada.get("/v1/jobs").status_code == 200
        api.delete(f"/v1/keys/{created['id']}")
        eventually(lambda: ada.get("/v1/jobs").status_code == 401, 60)
