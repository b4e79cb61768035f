"""A receiver is tested with a signed call, as the service makes it."""

import base64
import json

import pytest
from standardwebhooks import Webhook as Verifier

from lth.cli.main import main
from lth.core.webhook_signature import secret_bytes
from tests.lth.client.scripted import Answer, document, scripted

SECRET = f"whsec_{base64.b64encode(b'a secret of thirty-two bytes ....').decode()}"


def run(server: str, *words: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("sys.argv", ["lth", "--server", server, *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_a_receiver_gets_a_call_that_the_reference_library_accepts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer = document({"owner": "ann", "secret": SECRET})
    with scripted(answer) as service, scripted(Answer(204)) as receiver:
        words = ("webhook", "test", f"{receiver.server}/hook")
        assert run(service.server, *words, monkeypatch=monkeypatch) == 0
    (call,) = receiver.seen
    said = Verifier(SECRET).verify(call.body, {k.lower(): v for k, v in call.headers.items()})
    assert said["type"] == "job.finished"
    assert said["data"]["owner"] == "ann"
    assert json.loads(call.body) == said


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/", "nonsense"])
def test_a_receiver_that_cannot_be_called_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], address: str
) -> None:
    with scripted(document({"owner": "ann", "secret": SECRET})) as service:
        assert run(service.server, "webhook", "test", address, monkeypatch=monkeypatch) == 5
    assert f"{address} cannot be called" in capsys.readouterr().err


def test_a_receiver_that_refuses_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = document({"owner": "ann", "secret": SECRET})
    with scripted(answer) as service, scripted(Answer(403)) as receiver:
        words = ("webhook", "test", receiver.server)
        assert run(service.server, *words, monkeypatch=monkeypatch) == 5
    said = capsys.readouterr().err
    assert "answered 403" in said
    assert SECRET not in said


@pytest.mark.parametrize("written", ["", "secret", "whsec_%%%"])
def test_other_texts_are_no_secrets(written: str) -> None:
    with pytest.raises(ValueError, match=r"whsec_|base64|padding|characters|Only"):
        secret_bytes(written)
