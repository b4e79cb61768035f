"""Jobs complete in the shell, quickly, and without an error if the service is unavailable."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lth.cli import completion
from lth.cli.main import main
from tests.lth.client.scripted import Answer, Script, document, problem, scripted
from tests.lth.client.test_clients import JOB

IDS = [f"job_{number:032x}" for number in (0xA1, 0xA2, 0xB3)]
NAMES = ["night", "nightly", r"\$(touch planted) `x` 'y'"]
JOBS = [
    {**JOB, "id": job_id, "name": name, "state": "failed"}
    for job_id, name in zip(IDS, NAMES, strict=True)
]
Complete = Callable[..., list[str]]


@pytest.fixture
def complete(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Complete:
    """Completes a command line as zsh does; returns the lines of the answer."""
    for name in ("LTH_SERVER", "LTH_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LTH_DATA_DIR", str(tmp_path / "nothing"))
    monkeypatch.setenv("_LTH_COMPLETE", "complete_zsh")

    def run(line: str) -> list[str]:
        monkeypatch.setattr("sys.argv", ["lth"])
        monkeypatch.setenv("_TYPER_COMPLETE_ARGS", line)
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        assert (ended.value.code or 0, captured.err) == (0, "")
        return captured.out.splitlines()

    return run


@pytest.fixture
def service() -> Iterator[Script]:
    with scripted(document({"jobs": JOBS})) as script:
        yield script


@pytest.mark.parametrize("command", ["show", "watch", "fetch", "cancel", "retry", "logs", "share"])
def test_jobs_of_the_chosen_service_complete(
    complete: Complete, service: Script, command: str
) -> None:
    said = complete(f"lth --server {service.server} --key k {command} ")
    assert all(f'"{job_id}":"failed' in line for job_id, line in zip(IDS, said, strict=True))
    assert service.seen[0].headers["Authorization"] == "Bearer k"


def test_ids_and_names_complete_from_their_beginning(complete: Complete, service: Script) -> None:
    line = f"lth --server {service.server} show "
    assert len(complete(line + IDS[0][:-1])) == 2
    (said,) = complete(line + "nightl")
    assert f'"nightly":"failed {IDS[1]}"' in said


def test_names_that_several_jobs_have_do_not_complete(complete: Complete) -> None:
    twice = [{**job, "name": "night"} for job in JOBS[:2]]
    with scripted(document({"jobs": twice}), problem(404)) as script:
        assert complete(f"lth --server {script.server} show nig") == ["_files"]


def test_an_older_job_completes_from_the_beginning_of_its_id(complete: Complete) -> None:
    with scripted(document({"jobs": JOBS}), document({**JOB, "id": "job_ffff"})) as script:
        (said,) = complete(f"lth --server {script.server} show job_f")
    assert '"job_ffff":"succeeded"' in said
    assert script.seen[1].path == "/v1/jobs/job_f"


def test_zsh_evaluates_no_name(complete: Complete, service: Script) -> None:
    said = complete(f"lth --server {service.server} show ")
    assert "failed touch planted x y" in said[2]
    assert not {"\\", "$", "`"} & set("".join(said))


@pytest.mark.parametrize("answer", [problem(401), problem(503), Answer(200, b"<html>")])
def test_an_error_of_the_service_is_not_shown(complete: Complete, answer: Answer) -> None:
    with scripted(answer) as script:
        assert complete(f"lth --server {script.server} show ") == ["_files"]
        assert len(script.seen) == 1


@pytest.mark.timeout(25)
def test_a_service_that_does_not_answer_is_left_soon(
    complete: Complete, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completion, "_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert complete(f"lth --server {address} show ") == ["_files"]
    assert complete("lth --server nonsense show ") == ["_files"]
    assert complete("lth show ") == ["_files"]


def test_bash_completes_an_id(service: Script, tmp_path: Path) -> None:
    program = tmp_path / "lth"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m lth.cli "$@"\n')
    program.chmod(0o700)
    script = f"""
        eval "$(_LTH_COMPLETE=source_bash lth)"
        COMP_WORDS=(lth show {IDS[2][:-1]}) COMP_CWORD=2
        _lth_completion lth
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "LTH_SERVER": service.server}
    done = subprocess.run(
        ["bash", "-c", script], env=env, capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == (f"{IDS[2]}\n", "")
