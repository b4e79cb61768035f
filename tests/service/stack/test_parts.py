"""The parts of a stack: Postgres and Valkey, and the group that takes them along."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from service.stack.errors import StartFailed
from service.stack.group import Group
from service.stack.postgres import start_postgres
from service.stack.valkey import start_valkey
from tests.parts import Parts, alive

_PARENT = """
import sys, time
from pathlib import Path
from service.stack.group import Group
from service.stack.postgres import start_postgres
from service.stack.valkey import start_valkey
place = Path(sys.argv[1])
with Group() as group:
    postgres = start_postgres(group, place / "postgres", place / "postgres.log", durable=False)
    valkey = start_valkey(group, place / "valkey", place / "valkey.log")
    print(group.number, postgres.child.pid, valkey.child.pid, flush=True)
    time.sleep(600)
"""


def test_a_database_survives_a_restart_of_the_server(own_parts: Parts, tmp_path: Path) -> None:
    place, log = tmp_path / "postgres", tmp_path / "log"
    with Group() as group:
        server = start_postgres(group, place, log)
        server.create_database("lth")
        server.create_database("lth")
        with psycopg.connect(server.url("lth")) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS answer")
        server.stop()
        server = start_postgres(group, place, log)
        with psycopg.connect(server.url("lth")) as connection:
            assert connection.execute("SELECT answer FROM kept").fetchone() == (7,)
        server.stop()


def test_a_killed_server_starts_again_though_its_pid_is_taken(tmp_path: Path) -> None:
    place, log = tmp_path / "postgres", tmp_path / "log"
    with Group() as group:
        server = start_postgres(group, place, log)
        assert server.child
        server.child.stop(signal.SIGKILL, 5)
        (pid_file,) = place.glob("*/postmaster.pid")
        lines = pid_file.read_text().splitlines()
        pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
        start_postgres(group, place, log).stop()


def test_the_socket_of_a_deep_data_directory_lies_elsewhere(tmp_path: Path) -> None:
    place = tmp_path / ("deep" * 20) / ("er" * 20)
    with Group() as group:
        server = start_postgres(group, place, tmp_path / "log", durable=False)
        assert not server.socket_dir.is_relative_to(tmp_path)
        server.stop()
        assert not server.socket_dir.exists()


def test_a_part_that_cannot_start_says_why(tmp_path: Path) -> None:
    data = tmp_path / "postgres" / "data-18"
    data.mkdir(parents=True, mode=0o700)
    with Group() as group, pytest.raises(StartFailed, match=r"(?s)postgres ended.*whole log"):
        start_postgres(group, tmp_path / "postgres", tmp_path / "log")


def test_valkey_wants_its_password_and_keeps_what_it_holds(tmp_path: Path) -> None:
    with Group() as group:
        server = start_valkey(group, tmp_path / "valkey", tmp_path / "log")
        host, port = server.url.partition("@")[2].removesuffix("/0").split(":")
        stranger = redis.Redis(host=host, port=int(port), retry=Retry(NoBackoff(), 0))
        with stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
        with redis.Redis.from_url(server.url) as client:
            client.set("hint", "work")
        server.stop()
        server = start_valkey(group, tmp_path / "valkey", tmp_path / "log")
        with redis.Redis.from_url(server.url) as client:
            assert client.get("hint") == b"work"


def test_a_killed_parent_leaves_no_orphan(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _PARENT, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        started = [psutil.Process(int(word)) for word in parent.stdout.readline().split()]
        assert len(started) == 3
        assert all(alive(process) for process in started)
        parent.kill()
        parent.wait(10)
    end = time.monotonic() + 10
    while any(alive(process) for process in started) and time.monotonic() < end:
        time.sleep(0.05)
    assert not [process for process in started if alive(process)]
    log = (tmp_path / "postgres.log").read_text()
    assert "database system is shut down" in log, "Postgres had no time to shut down in order"


def test_leaving_a_group_kills_what_is_left_in_it(tmp_path: Path) -> None:
    with Group() as group:
        child = group.spawn("sleeper", ["sleep", "600"], tmp_path / "log")
    assert child.process.wait(5) == -signal.SIGKILL


def test_tests_reach_nothing_but_this_machine() -> None:
    with pytest.warns(UserWarning, match="allowed"), pytest.raises(RuntimeError):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
