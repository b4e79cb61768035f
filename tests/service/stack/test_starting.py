"""The start of a stack names the part for which it waits, and uses no proxy."""

import json
import signal
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from lth.client.local_stack import Running, user_directory
from lth.client.proofs import proof
from service.cli.narrating import ScreenNarrator
from service.stack import starting
from service.stack.data_directory import DataDirectory
from service.stack.errors import StartFailed
from service.stack.process.group import Child, Group
from service.stack.process.supervisor import Part, Supervisor
from tests.lth.client.scripted import Answer, Seen, scripted

SECRET = "of-this-stack"
RUNNING = Running(1, "http://127.0.0.1:8000", "postgresql:///", "redis://", "file:///", SECRET)


def _api(seen: Seen) -> Answer:
    challenge = parse_qs(urlsplit(seen.path).query).get("challenge", [""])[0]
    return Answer(200, json.dumps({"proof": proof(SECRET, challenge)}).encode())


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_the_api_is_asked_without_a_proxy(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with scripted(_api) as script:
        assert starting._answers(script.server, SECRET)
        assert not starting._answers(script.server, "of-another-stack")


def test_a_slow_part_is_named_with_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(starting, "_SILENT_SECONDS", 0.2)
    data = DataDirectory(tmp_path / "data")
    data.make()
    narrator = ScreenNarrator(data)
    with Group() as group:
        supervisor = Supervisor(group, narrator.say)
        begun = starting._Starting(data, group, supervisor, narrator, {})
        for name, seconds in (("quick", 0.0), ("slow", 1.0)):
            part = Part(
                name,
                lambda name=name: group.spawn(name, ["sleep", "600"], data.log(name)),
                lambda child: child.stop(signal.SIGTERM, 60) and None,
            )
            begun._start(part, "sleeps", lambda child, seconds=seconds: time.sleep(seconds))
        supervisor.stop()
    lines = capsys.readouterr().err.splitlines()
    assert f"  waiting for slow; its log is {data.log('slow')}" in lines
    assert not [line for line in lines if "waiting for quick" in line]


def test_a_part_that_is_not_ready_in_time_shows_the_last_line_of_its_log(tmp_path: Path) -> None:
    with Group() as group:
        child: Child = group.spawn(
            "api", ["sh", "-c", "echo the reason; sleep 600"], tmp_path / "log"
        )
        with pytest.raises(StartFailed) as raised:
            child.wait_until(lambda: False, 1.0)
    said = str(raised.value).splitlines()
    assert said == [
        "api is not ready after 1 s",
        "  | the reason",
        f"  whole log: {tmp_path / 'log'}",
    ]


@pytest.mark.parametrize(
    ("directory", "command"),
    [
        (Path("/data"), "LTH_DATA_DIR=/data lth submit"),
        (Path("/My Data"), "LTH_DATA_DIR='/My Data' lth submit"),
        (None, "  submit   lth submit"),
    ],
)
def test_the_suggested_command_finds_the_stack(
    directory: Path | None, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ScreenNarrator(DataDirectory(directory or user_directory())).ready(RUNNING)
    assert command in capsys.readouterr().err
