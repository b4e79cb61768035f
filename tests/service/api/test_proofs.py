"""The API of a local stack proves which one it is."""

import os
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from lth.client import Client
from lth.client.local_stack import Running
from lth.client.proofs import proof
from service.settings import Settings
from service.stack.data_directory import DataDirectory
from tests.service.api.conftest import ADMIN, serving

SECRET = "of-this-stack"


def test_a_challenge_is_answered_without_a_key(settings: Settings) -> None:
    local = settings.model_copy(update={"stack_secret": SecretStr(SECRET)})
    with serving(local) as address:
        answer = httpx.get(f"{address}/healthz", params={"challenge": "new"})
        assert answer.json() == {"status": "ok", "proof": proof(SECRET, "new")}
        assert httpx.get(f"{address}/healthz").json() == {"status": "ok"}
        long = httpx.get(f"{address}/healthz", params={"challenge": "x" * 101})
        assert long.status_code == 422
        assert SECRET not in answer.text + long.text


def test_an_api_outside_a_local_stack_sends_no_proof(address: str) -> None:
    assert httpx.get(f"{address}/healthz?challenge=new").json() == {"status": "ok"}


def test_a_client_uses_the_local_stack_by_default(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LTH_DATA_DIR", str(tmp_path / "data"))
    directory = DataDirectory.default()
    directory.make()
    directory.admin_key.write_text(ADMIN)
    local = settings.model_copy(update={"stack_secret": SecretStr(SECRET)})
    with serving(local) as address:
        directory.announce(Running(os.getpid(), address, "", "", "", SECRET))
        with Client() as client:
            assert list(client.jobs()) == []
            job = client.submit({"kind": "model"})
            assert client.job(job.id).id == job.id
