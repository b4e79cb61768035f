"""Output on a screen of 80 columns, in a pipe, and with any text."""

import json
import os
import pty
import subprocess
import sys
import termios
from datetime import UTC, datetime

import pytest

from lth.cli.screen import out, put_json, put_table
from lth.cli.tables import job_table, key_table, run_table
from lth.client import Job, Run
from lth.client.models import Key
from tests.lth.client.scripted import Answer, Script, document, scripted
from tests.lth.client.test_clients import JOB

ID = f"job_{'0123456789abcdef' * 2}"
NO_DATA: dict[str, object] = {"data": {}}
NAME = "[bold]a long :smile: name[/nowhere] " * 3
RUN = {
    "key": "trial-1/random-weights",
    "kind": "experiment",
    "trial": 1,
    "experiment": "random-weights",
    "state": "failed",
    "attempt": 1,
    "losses": 0,
    "worker": "machine/27625-827f/27635",
    "progress": None,
    "failure": {"run": "trial-1/x", "reason": "diverged", "message": "a [long] message " * 9},
    "queued_at": None,
    "started_at": None,
    "finished_at": None,
    "seconds": 1.0,
}


def _printed(table: object, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(out, "_width", width)
    put_table(table)  # type: ignore[arg-type]


def test_a_list_of_jobs_fits_the_screen_and_does_not_change_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    job = Job.model_validate({**JOB, "id": ID, "name": NAME, "owner": "admin"})
    _printed(job_table([job]), 80, monkeypatch)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith(f"{ID[:20]} ")
    assert "succeeded" in lines[1]
    assert max(map(len, lines)) <= 80
    assert "\N{HORIZONTAL ELLIPSIS}" not in "".join(lines)
    names = "".join(line[lines[0].index("name") : lines[0].index("data")] for line in lines[1:])
    assert "".join(names.split()) == "".join(NAME.split())


def test_a_table_wider_than_the_screen_is_not_cut(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = {"owner": "ada", "role": "member", "name": "laptop", "prefix": "lth_0123456789"}
    at = datetime(2026, 1, 1, tzinfo=UTC)
    when = {"created_at": at, "expires_at": None, "used_at": None, "revoked_at": None}
    _printed(key_table([Key.model_validate({"id": ID, **said, **when})]), 40, monkeypatch)
    printed = capsys.readouterr().out
    for part in (ID, "lth_0123456789", "member", "never", "laptop"):
        assert part in printed


def test_a_failure_message_is_shown_in_full(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _printed(run_table([Run.model_validate(RUN)]), 80, monkeypatch)
    printed = capsys.readouterr().out
    assert printed.count("[long]") == 9
    assert RUN["key"] in printed


def test_text_is_printed_unchanged(capsys: pytest.CaptureFixture[str]) -> None:
    put_json({"name": NAME})
    assert json.loads(capsys.readouterr().out) == {"name": NAME}


def _events(*happened: tuple[str, str]) -> Answer:
    """A stream of events, each with a kind and a run."""
    lines = [
        json.dumps({"number": number, "kind": kind, "run": run, "at": JOB["created_at"]} | NO_DATA)
        for number, (kind, run) in enumerate(happened, 1)
    ]
    stream = "".join(f"data: {line}\n\n" for line in lines)
    return Answer(200, stream.encode(), {"Content-Type": "text/event-stream"})


def _on_a_screen(script: Script, *words: str) -> str:
    """The output of ``lth`` on a terminal of 80 columns and 24 lines."""
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (24, 80))
    command = [sys.executable, "-m", "lth.cli", "--server", script.server, *words]
    with subprocess.Popen(command, stdout=its, stderr=its, stdin=its, text=True) as process:
        os.close(its)
        written = b""
        while True:
            try:
                written += os.read(ours, 65536)
            except OSError:  # Linux says so when the last writer has gone
                break
    os.close(ours)
    assert process.returncode == 0, written
    return written.decode()


def test_finished_runs_do_not_hide_running_ones() -> None:
    runs = [f"trial-{number}/ticket" for number in range(1, 41)]
    ended = [(kind, run) for run in runs for kind in ("run_started", "run_succeeded")]
    stream = _events(*ended, ("run_started", "trial-41/ticket"), ("job_finished", ""))
    results = document({"job_id": "job_1", "state": "succeeded", "results": []})
    with scripted(stream, document(JOB), results) as script:
        screen = _on_a_screen(script, "watch", "job_1")
    for run in runs:
        assert f"{run}: done" in screen
    after = screen.rpartition(f"{runs[-1]}: done")[2]
    assert "trial-41/ticket" in after
    assert "trial-1/ticket" not in after
