"""No secret is printed or logged, whatever fails.

Each command of the command line fails in several environments with planted secrets. Everything that
it prints, all logs, the arguments of all processes, and a backup are searched for them.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import typer.main
from sqlalchemy import make_url

from lth.cli import main as entry
from service.stack.parts.cluster import binary
from tests.lth.client.scripted import Answer, scripted
from tests.parts import Parts

pytestmark = pytest.mark.timeout(600)

PLANTED = "pl4nted"
"""A part of every planted secret."""
KEY = f"lth_{PLANTED}xyz_{'k' * 30}"
SECRETS = {
    "LTH_API_KEY": KEY,
    "LTH_ADMIN_KEY": KEY.replace("xyz", "abc"),
    "LTH_SIGNING_SECRET": f"{PLANTED}-signing-secret",
    "LTH_DATABASE_URL": f"postgresql://lth:{PLANTED}-database@127.0.0.1:1/lth",
    "LTH_BROKER_URL": f"redis://:{PLANTED}-broker@127.0.0.1:1/0",
    "LTH_OBJECT_STORE_URL": "s3://bucket/prefix",
    "LTH_OBJECT_STORE_OPTIONS": json.dumps(
        {
            "endpoint": "http://127.0.0.1:1",
            "region": "us-east-1",
            "access_key_id": f"{PLANTED}-id",
            "secret_access_key": f"{PLANTED}-s3-secret",
        }
    ),
}
JOB, FILE = ["job_1"], ["FILE"]
ARGUMENTS: dict[str, list[str]] = {
    "submit": FILE,
    "list": [],
    "show": JOB,
    "watch": JOB,
    "fetch": JOB,
    "cancel": JOB,
    "retry": JOB,
    "delete": JOB,
    "logs": JOB,
    "validate": FILE,
    "estimate": FILE,
    "catalogue": [],
    "workers": [],
    "owners": [],
    "share": [*JOB, "vision"],
    "queue": [],
    "teams list": [],
    "teams set": ["vision"],
    "teams add": ["vision", "ada"],
    "teams remove": ["vision", "ada"],
    "teams delete": ["vision"],
    "keys list": [],
    "keys new": ["ada"],
    "keys revoke": ["key_1"],
    "datasets list": [],
    "datasets show": ["ds_1"],
    "datasets upload": FILE,
    "datasets share": ["ds_1", "--private"],
    "datasets delete": ["ds_1"],
    "webhook secret": [],
    "webhook test": ["http://127.0.0.1:1/"],
    "up": ["--port", "0"],
    "api": [],
    "worker": [],
    "beat": [],
    "migrate": [],
    "backup": ["FILE.tar"],
    "restore": FILE,
    "verify": [],
}
"""All commands that can fail, with arguments."""
SERVERS = ("up", "api", "worker", "beat", "migrate", "backup", "restore", "verify")
CLIENTS = tuple(command for command in ARGUMENTS if command not in SERVERS)
PRINTS_A_KEY = {"keys operator"}
WITHOUT_DATABASE = ("up", "migrate", "backup", "restore", "verify")


_FAILING_SECONDS = 8
"""How long the processes of a broken service run after the first line of each log."""


def _leaves(command: Any, path: str = "") -> Iterator[str]:
    if not hasattr(command, "commands"):
        yield path
        return
    for name, below in command.commands.items():
        yield from _leaves(below, f"{path} {name}".strip())


def test_every_command_is_tested() -> None:
    assert set(_leaves(typer.main.get_command(entry.app))) == {*ARGUMENTS, *PRINTS_A_KEY}


@pytest.fixture
def fails(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., str]:
    """Runs a command that must fail; returns what it prints, also for an unknown exception."""
    spec = tmp_path / "spec.yaml"
    spec.write_text("kind: model\n")
    for name, value in {**SECRETS, "LTH_DATA_DIR": str(tmp_path / "data")}.items():
        monkeypatch.setenv(name, value)

    def run(command: str, *options: str) -> str:
        arguments = [word.replace("FILE", str(spec)) for word in ARGUMENTS[command]]
        monkeypatch.setattr(sys, "argv", ["lth", *options, *command.split(), *arguments])
        code: object = 1
        try:
            entry.main()
        except SystemExit as ended:
            code = ended.code
        except Exception:
            sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        assert code, f"{command} did not fail"
        printed = capfd.readouterr()
        logs = (tmp_path / "data").rglob("*.log")
        return "\n".join([printed.out, printed.err, *(log.read_text() for log in logs)])

    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(os, "execv", _must_not_start)
    return run


def _must_not_start(program: str, command: list[str]) -> None:
    """Fail instead of replacing this process by a server."""
    raise AssertionError(f"{command} was started")


@pytest.mark.parametrize("command", CLIENTS)
def test_no_command_prints_a_key_or_the_password_of_an_address(
    command: str, monkeypatch: pytest.MonkeyPatch, fails: Callable[..., str]
) -> None:
    with scripted(Answer(404, b"<html>")) as script:
        address = script.server.replace("//", f"//ada:{PLANTED}-password@")
        monkeypatch.setenv("LTH_SERVER", address)
        for key in (KEY, f"{KEY} ", f" {KEY}", f"{KEY}\n", f"{KEY}\t", f"{KEY}é", f"{KEY}\r\nX: y"):
            monkeypatch.setenv("LTH_API_KEY", key)
            said = fails(command)
            assert PLANTED not in said
            assert "API key" in said or "without a problem" in said
        assert PLANTED not in fails(command, "--key", f"{KEY} ")
    assert PLANTED not in fails(command, "--server", f"ftp://ada:{PLANTED}@host")


AMBIGUOUS = [
    "lth:{}@word@127.0.0.1:1",
    "lth:{}/word@127.0.0.1:1",
    "lth:12/{}@127.0.0.1:1",
    "lth:12?{}@127.0.0.1:1",
    "lth:{}#word@127.0.0.1:1",
    "lth:{}?word@127.0.0.1:1",
    "lth:{}@127.0.0.1:port",
    "lth:{}@[127.0.0.1",
]
"""Addresses whose password has unescaped characters, or that are no addresses."""


@pytest.mark.parametrize("command", SERVERS)
@pytest.mark.parametrize("setting", ["LTH_DATABASE_URL", "LTH_BROKER_URL"])
def test_no_command_prints_a_password_that_is_not_escaped(
    command: str, setting: str, monkeypatch: pytest.MonkeyPatch, fails: Callable[..., str]
) -> None:
    scheme = {"LTH_DATABASE_URL": "postgresql", "LTH_BROKER_URL": "redis"}[setting]
    for address in AMBIGUOUS:
        monkeypatch.setenv(setting, f"{scheme}://{address.format(PLANTED)}/0")
        said = fails(command)
        assert f"{setting}: this is not an address; expected {scheme}://" in said
        assert PLANTED not in said


@pytest.mark.parametrize("command", SERVERS)
@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("LTH_LEASE_SECONDS", "1"),
        ("LTH_ADMIN_KEY", f"{PLANTED} "),
        ("LTH_SIGNING_SECRET", PLANTED),
        ("LTH_BROKER_URL", f"amqp://ada:{PLANTED}@host"),
        ("LTH_OBJECT_STORE_URL", f"https://ada:{PLANTED}@host"),
        ("LTH_OBJECT_STORE_OPTIONS", f'{{"secret_access_key": ["{PLANTED}"]}}'),
        ("LTH_OBJECT_STORE_OPTIONS", f'{{"secret_access_key": "{PLANTED}"'),
        ("LTH_ADMIN_KEYS", PLANTED),
    ],
)
def test_no_command_prints_the_settings_if_one_of_them_is_wrong(
    command: str,
    setting: str,
    value: str,
    monkeypatch: pytest.MonkeyPatch,
    fails: Callable[..., str],
) -> None:
    monkeypatch.setenv("LTH_ENVIRONMENT", "production")
    monkeypatch.setenv(setting, value)
    said = fails(command)
    assert "the environment is wrong" in said
    assert PLANTED not in said


@pytest.mark.parametrize("command", WITHOUT_DATABASE)
@pytest.mark.parametrize(
    "form", ["postgresql://lth:{}@{}/lth", "postgresql://lth@{1}/lth?password={0}"]
)
def test_no_command_prints_the_password_of_an_unavailable_database(
    command: str, form: str, monkeypatch: pytest.MonkeyPatch, fails: Callable[..., str]
) -> None:
    for host in ("127.0.0.1:1", "no-such-host.invalid"):
        monkeypatch.setenv("LTH_DATABASE_URL", form.format(f"{PLANTED}%2F", host))
        said = fails(command)
        assert "cannot be used" in said
        assert PLANTED not in said


@pytest.fixture
def environment(
    database_url: str, own_parts: Parts, object_store_url: str, tmp_path: Path
) -> Iterator[dict[str, str]]:
    """A working service whose broker has a planted password, and whose database has one in its
    address, which this Postgres does not ask for.
    """
    database = make_url(database_url).set(password=f"{PLANTED}-database")
    with own_parts.valkey(password=f"{PLANTED}-broker") as broker:
        yield {
            **os.environ,
            **SECRETS,
            "LTH_DATABASE_URL": database.render_as_string(hide_password=False),
            "LTH_BROKER_URL": broker.url,
            "LTH_OBJECT_STORE_URL": object_store_url,
            "LTH_DATA_DIR": str(tmp_path / "data"),
        }


def test_a_backup_and_the_arguments_of_its_processes_contain_no_secret(
    environment: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "lth.tar"
    url = environment["LTH_DATABASE_URL"]
    environment["LTH_DATABASE_URL"] = (
        make_url(url)
        .set(password=None)
        .update_query_dict({"password": f"{PLANTED}-query"})
        .render_as_string()
    )
    command = [sys.executable, "-m", "lth.cli", "backup", str(file)]
    with (
        psycopg.connect(url) as connection,
        subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process,
    ):
        connection.execute("LOCK TABLE webhooks IN ACCESS EXCLUSIVE MODE")  # pg_dump waits for it.
        titles: set[str] = set()
        while not any("pg_dump" in title for title in titles) and process.poll() is None:
            titles |= _titles(process, seconds=1)
        connection.rollback()
        printed, _ = process.communicate()
    assert process.returncode == 0, printed
    assert any("pg_dump" in title for title in titles)
    assert PLANTED not in printed + "".join(titles)
    assert PLANTED.encode() not in file.read_bytes()
    subprocess.run(["tar", "-xf", file, "-C", tmp_path, "database.dump"], check=True)
    restore = [binary("pg_restore"), "--file=-", tmp_path / "database.dump"]
    statements = subprocess.run(restore, capture_output=True, check=True).stdout
    assert b"CREATE TABLE" in statements
    assert PLANTED.encode() not in statements


@pytest.mark.parametrize("broken", ["LTH_BROKER_URL", "LTH_DATABASE_URL", "LTH_OBJECT_STORE_URL"])
def test_no_process_of_the_service_logs_a_secret(
    broken: str, environment: dict[str, str], tmp_path: Path
) -> None:
    """One part of the service is unavailable, or refuses the password."""
    environment[broken] = {
        "LTH_BROKER_URL": environment["LTH_BROKER_URL"].replace(PLANTED, f"{PLANTED}-wrong"),
        "LTH_DATABASE_URL": SECRETS["LTH_DATABASE_URL"],
        "LTH_OBJECT_STORE_URL": SECRETS["LTH_OBJECT_STORE_URL"],
    }[broken]
    often = {f"LTH_{name}_SECONDS": "1" for name in ("SWEEP", "HOUSEKEEPING", "POLL", "DRAIN")}
    environment |= {**often, "LTH_WORKER_PROCESSES": "1"}
    processes: dict[Path, subprocess.Popen[bytes]] = {}
    for part, *options in (["api", "--port", "0"], ["beat"], ["worker"]):
        log = tmp_path / part
        command = [sys.executable, "-m", "lth.cli", part, *options]
        with log.open("w") as output:
            processes[log] = subprocess.Popen(
                command, env=environment, stdout=output, stderr=output
            )
    titles = _titles(
        *processes.values(), until=lambda: all(log.stat().st_size for log in processes)
    )
    titles |= _titles(*processes.values(), seconds=_FAILING_SECONDS)
    for process in processes.values():
        process.terminate()
    for log, process in processes.items():
        process.wait()
        assert log.stat().st_size, log
        assert PLANTED not in log.read_text()
    assert {"service.api", "worker"} <= {word for title in titles for word in title.split()}
    assert PLANTED not in "".join(titles)


def _titles(
    *processes: "subprocess.Popen[Any]",
    until: Callable[[], bool] = lambda: False,
    seconds: float = 120,
) -> set[str]:
    """The arguments of processes and of those below them, until all end or `until` returns true."""
    titles: set[str] = set()
    end = time.monotonic() + seconds
    while not until() and time.monotonic() < end and any(one.poll() is None for one in processes):
        for process in processes:
            with suppress(psutil.Error):
                one = psutil.Process(process.pid)
                titles |= {
                    " ".join(each.cmdline()) for each in (one, *one.children(recursive=True))
                }
        time.sleep(0.05)
    return titles
