"""Postgres, Valkey, and the process group of a stack."""

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
from service.stack.parts.postgres import Postgres
from service.stack.parts.valkey import Valkey, _answers, free_port
from service.stack.process.group import Group
from tests.parts import alive

_PARENT = """
import sys, time
from pathlib import Path
from service.stack.process.group import Group
from service.stack.parts.postgres import Postgres
from service.stack.parts.valkey import Valkey
place = Path(sys.argv[1])
with Group() as group:
    server = Postgres.at(place / "postgres", durable=False)  # no disk to wait for at its end
    postgres = server.start(group, place / "postgres.log")
    valkey = Valkey(place / "valkey").start(group, place / "valkey.log")
    print(group.number, postgres.pid, valkey.pid, flush=True)
    time.sleep(600)
"""


def test_a_database_survives_a_restart_of_the_server(tmp_path: Path) -> None:
    server, log = Postgres.at(tmp_path / "postgres"), tmp_path / "log"
    with Group() as group:
        child = server.start(group, log)
        server.create_database("lth")
        server.create_database("lth")
        with psycopg.connect(server.url("lth")) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS answer")
        server.stop(child)
        child = server.start(group, log)
        with psycopg.connect(server.url("lth")) as connection:
            assert connection.execute("SELECT answer FROM kept").fetchone() == (7,)
        server.stop(child)


def test_a_killed_server_restarts_if_its_pid_was_reused(tmp_path: Path) -> None:
    server, log = Postgres.at(tmp_path / "postgres"), tmp_path / "log"
    with Group() as group:
        server.start(group, log).stop(signal.SIGKILL, 60)
        (pid_file,) = server.directory.glob("*/postmaster.pid")
        lines = pid_file.read_text().splitlines()
        pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
        server.stop(server.start(group, log))


def test_a_long_path_puts_the_socket_into_a_temporary_folder(tmp_path: Path) -> None:
    server = Postgres.at(tmp_path / ("deep" * 20) / ("er" * 20), durable=False)
    with Group() as group:
        child = server.start(group, tmp_path / "log")
        assert not server.sockets.is_relative_to(tmp_path)
        server.stop(child)
        assert not server.sockets.exists()


def test_a_part_that_cannot_start_reports_its_log(tmp_path: Path) -> None:
    (tmp_path / "postgres" / "data-18").mkdir(parents=True, mode=0o700)
    with Group() as group, pytest.raises(StartFailed, match=r"(?s)postgres ended.*whole log"):
        Postgres.at(tmp_path / "postgres").start(group, tmp_path / "log")


def test_valkey_requires_its_password_and_persists_its_data(tmp_path: Path) -> None:
    server, log = Valkey(tmp_path / "valkey"), tmp_path / "log"
    with Group() as group:
        child = server.start(group, log)
        stranger = redis.Redis(port=server.port, retry=Retry(NoBackoff(), 0))
        with stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
        with redis.Redis.from_url(server.url) as client:
            client.set("hint", "work")
        server.stop(child)
        server.start(group, log)
        with redis.Redis.from_url(server.url) as client:
            assert client.get("hint") == b"work"


def test_the_start_waits_for_a_slow_valkey() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with redis.Redis(port=port, socket_timeout=0.05, retry=Retry(NoBackoff(), 0)) as client:
            assert not _answers(client)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is not told in a file")
def test_a_free_port_is_outside_the_ephemeral_range() -> None:
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(free_port() < max(first, 32_768) for _ in range(100))


def test_a_killed_parent_leaves_no_orphan(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _PARENT, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        started = [psutil.Process(int(word)) for word in parent.stdout.readline().split()]
        assert len(started) == 3
        assert all(alive(process) for process in started)
        parent.kill()
        parent.wait(60)
    end = time.monotonic() + 60
    while any(alive(process) for process in started) and time.monotonic() < end:
        time.sleep(0.05)
    assert not [process for process in started if alive(process)]
    log = (tmp_path / "postgres.log").read_text()
    assert "database system is shut down" in log, "Postgres had no time to shut down in order"


def test_leaving_a_group_kills_its_remaining_processes(tmp_path: Path) -> None:
    with Group() as group:
        child = group.spawn("sleeper", ["sleep", "600"], tmp_path / "log")
    assert child.process.wait(60) == -signal.SIGKILL


def test_tests_cannot_reach_other_machines() -> None:
    with pytest.warns(UserWarning, match="allowed"), pytest.raises(RuntimeError):
        socket.create_connection(("192.0.2.1", 80), timeout=1)


def test_every_test_has_a_database_of_its_own(database_url: str, empty_database_url: str) -> None:
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
    with psycopg.connect(database_url) as connection:
        assert connection.execute(tables).fetchone() > (3,)
    with psycopg.connect(empty_database_url) as connection:
        assert connection.execute(tables).fetchone() == (0,)


def test_every_test_has_an_empty_broker(broker_url: str) -> None:
    with redis.Redis.from_url(broker_url) as client:
        assert client.dbsize() == 0
