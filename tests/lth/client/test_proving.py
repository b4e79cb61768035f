"""The key goes only to the local stack, not to another program on its port."""

import os
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from lth.client.errors import Unreachable
from lth.client.local_stack import Running
from lth.client.proofs import proof
from service.stack.data_directory import DataDirectory
from tests.lth.client.scripted import Answer, Seen, document, scripted
from tests.lth.client.test_clients import JOB, Use, use

__all__ = ["use"]

SECRET = "of-this-stack"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataDirectory:
    monkeypatch.setenv("LTH_DATA_DIR", str(tmp_path / "data"))
    place = DataDirectory.default()
    place.make()
    place.make_admin_key()
    return place


def _announce(place: DataDirectory, server: str) -> None:
    place.announce(Running(os.getpid(), server, "postgresql:///", "redis://", "file:///", SECRET))


def _challenge(seen: Seen) -> str:
    return parse_qs(urlsplit(seen.path).query)["challenge"][0]


def _answering(secret: str):
    return lambda seen: document({"status": "ok", "proof": proof(secret, _challenge(seen))})


FOREIGN = {
    "a page": Answer(200, b"<html>hello</html>", {"Content-Type": "text/html"}),
    "a job": document(JOB),
    "an API that is no local stack's": document({"status": "ok"}),
    "another stack": _answering("of-another-stack"),
    "an echo": lambda seen: document({"status": "ok", "proof": _challenge(seen)}),
    "a list": document([1]),
    "a number": document({"proof": 1}),
    "a redirect": Answer(302, b"", {"Location": "/elsewhere"}),
}


@pytest.mark.parametrize("answer", FOREIGN.values(), ids=FOREIGN.keys())
@pytest.mark.parametrize("key", [None, "lth_mine"])
def test_the_key_is_not_sent_to_another_program(
    use: Use, place: DataDirectory, monkeypatch: pytest.MonkeyPatch, answer: Answer, key: str | None
) -> None:
    if key:
        monkeypatch.setenv("LTH_API_KEY", key)
    with scripted(answer) as script:
        _announce(place, script.server)
        with pytest.raises(Unreachable, match=r"another program.*key was not sent"):
            use(None, lambda client: client.job("job_1"))
    assert len(script.seen) == 1
    assert "authorization" not in {name.lower() for name in script.seen[0].headers}


def test_the_key_is_sent_to_a_stack_that_proves_its_identity(
    use: Use, place: DataDirectory
) -> None:
    with scripted(_answering(SECRET), document(JOB)) as script:
        _announce(place, script.server)
        assert use(None, lambda client: client.job("job_1")).id == "job_1"
    question, request = script.seen
    assert "Authorization" not in question.headers
    assert request.headers["Authorization"] == f"Bearer {place.read_admin_key()}"


def test_each_request_sends_a_new_challenge(use: Use, place: DataDirectory) -> None:
    """Another program may use the port now."""
    answers = (_answering(SECRET), document(JOB), FOREIGN["a page"])
    with scripted(*answers) as script:
        _announce(place, script.server)

        def twice(client):
            client.job("job_1")
            return client.job("job_1")

        async def twice_later(client):
            await client.job("job_1")
            return await client.job("job_1")

        with pytest.raises(Unreachable, match="another program"):
            use(None, twice if use.__name__ == "_plain" else twice_later)
    questions = [seen for seen in script.seen if seen.path.startswith("/healthz")]
    assert len({_challenge(question) for question in questions}) == 2
    assert len(script.seen) == 3


def test_events_of_another_program_are_not_read(use: Use, place: DataDirectory) -> None:
    with scripted(FOREIGN["a page"]) as script:
        _announce(place, script.server)
        with pytest.raises(Unreachable, match="another program"):
            use(None, lambda client: client.events("job_1"))
    assert all(seen.path.startswith("/healthz") for seen in script.seen)
