"""With --json, all output is JSON: results, messages and errors."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lth.cli.main import main
from lth.client import Client
from tests.lth.client.scripted import Script, document, problem, scripted
from tests.lth.client.test_clients import JOB
from tests.service.cli.test_secrets import ARGUMENTS, CLIENTS

Said = tuple[int, list[Any], list[Any]]
Run = Callable[..., Said]


@pytest.fixture
def lth(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command; returns its exit code, and the parsed lines of its output and messages."""

    def run(script: Script | None, *words: object) -> Said:
        server = ["--server", script.server] if script else []
        monkeypatch.setattr("sys.argv", ["lth", *server, *map(str, words), "--json"])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        out, err = (
            [json.loads(line) for line in text.splitlines()]
            for text in (captured.out, captured.err)
        )
        return int(ended.value.code or 0), out, err

    return run


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    file = tmp_path / "spec.yaml"
    file.write_text("kind: model\n")
    return file


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "No such option: --json"),
        (["nonsense"], "No such command 'nonsense'"),
        (["keys"], "No such option: --json"),
        (["submit"], "Missing argument 'FILE...'"),
        (["list", "--state", "finished"], "'finished' is not one of"),
        (["list", "--stat", "failed"], "No such option: --stat"),
        (["list", "--limit"], "Invalid value for '--limit'"),
        (["list", "--label", "nonsense"], "'nonsense' is not a label"),
        (["share", "job_1"], "give either a team or --private"),
        (["validate", "missing.yaml"], "missing.yaml: No such file or directory"),
    ],
)
def test_a_wrong_command_line_is_json(words: list[str], said: str, lth: Run) -> None:
    code, out, err = lth(None, *words)
    assert (code, out) == (2, [])
    (error,) = (line["error"] for line in err)
    assert said in error["message"]
    assert error["exit_code"] == 2


@pytest.mark.parametrize("command", CLIENTS)
def test_the_refusal_of_every_command_is_json(command: str, lth: Run, spec: Path) -> None:
    words = [spec if word == "FILE" else word for word in ARGUMENTS[command]]
    with scripted(problem(404, detail="there is nothing")) as script:
        code, out, err = lth(script, *command.split(), *words)
    assert (code, out) == (4, [])
    assert err[-1]["error"]["message"] == "there is nothing (404)"
    assert all(line.keys() == {"message"} for line in err[:-1])


def test_messages_are_json(lth: Run) -> None:
    with scripted(document({**JOB, "state": "running"})) as script:
        code, (job,), err = lth(script, "cancel", "job_1")
    assert (code, job["id"]) == (0, "job_1")
    assert err == [{"message": "its running runs were ordered to stop"}]


def test_the_reason_for_waiting_is_said_as_json(lth: Run, spec: Path) -> None:
    waiting = {"reason": "no_worker", "detail": "no worker serves the pool gpu", "position": 1}
    queued = {**JOB, "state": "queued", "waiting": waiting}
    with scripted(document(queued, 202)) as script:
        code, (job,), err = lth(script, "submit", spec)
    assert (code, job["id"]) == (0, "job_1")
    assert err == [{"message": "waits: no worker serves the pool gpu"}]


def test_an_interruption_is_json(lth: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Client, "send", interrupted)
    with scripted(problem(404)) as script:
        code, out, err = lth(script, "workers")
    assert (code, out) == (130, [])
    assert err == [{"error": {"message": "interrupted", "exit_code": 130, "wrong": []}}]
