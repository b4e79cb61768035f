"""The API with few file descriptors answers, whatever connections clients hold open.

The API is a process of its own here, which may open 1,024 files. Each client sits at an address of
the loopback network, so that it is one client among several.
"""

import json
import resource
import socket
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
from pydantic import SecretStr

from service.settings import Settings
from service.stack.parts.commands import api_command
from service.stack.parts.valkey import free_port
from tests import ROOT
from tests.service.api.conftest import ADMIN, client
from tests.service.api.operations.test_operations import metric
from tests.worker.rig import eventually

pytestmark = pytest.mark.system

FILES = 1024
BOUND = (FILES - 128) // 2
HEAD_SECONDS, STALLED_SECONDS = 3.0, 4.0
SOON = 10.0
"""Every request is answered within so many seconds; on an idle machine it takes milliseconds."""


@dataclass
class Api:
    """A process of the API."""

    port: int
    log: Path
    process: psutil.Process

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), SOON, (source, 0))

    def answers(self) -> bool:
        """Check that health checks and requests with a key are answered soon."""
        with client(self.address, ADMIN) as api:
            api.timeout = httpx.Timeout(SOON)
            assert api.get("/healthz").status_code == 200
            assert api.get("/readyz").status_code == 200
            assert api.get("/v1/jobs").status_code == 200
            assert api.post("/v1/jobs", json={"kind": "model"}).status_code == 202
        return True

    def metric(self, name: str) -> float:
        with client(self.address, ADMIN) as api:
            return metric(api.get("/metrics").text, name)


@pytest.fixture
def start(settings: Settings, tmp_path: Path) -> Iterator[Callable[..., Api]]:
    """Starts API processes with changed settings."""
    with ExitStack() as stack:

        def start(**changed: object) -> Api:
            return stack.enter_context(running(settings, tmp_path, **changed))

        yield start


@contextmanager
def running(settings: Settings, folder: Path, **changed: object) -> Iterator[Api]:
    values = {
        **settings.model_dump(exclude_unset=True),
        "head_seconds": HEAD_SECONDS,
        "stalled_seconds": STALLED_SECONDS,
        **changed,
    }
    revealed = {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value
        for name, value in values.items()
    }
    env = {
        name if name.isupper() else f"LTH_{name.upper()}": str(value)
        for name, value in revealed.items()
    }
    port, log = free_port(), folder / "api.log"
    # No address is a trusted proxy unless a test changes this.
    env = {"FORWARDED_ALLOW_IPS": "192.0.2.1", "PYTHONPATH": str(ROOT), **env}
    with log.open("wb") as output:
        process = subprocess.Popen(
            api_command("127.0.0.1", port),
            env=env,
            stdout=output,
            stderr=output,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, FILES)),
        )
    api = Api(port, log, psutil.Process(process.pid))

    def up() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return httpx.get(f"{api.address}/readyz", timeout=SOON).status_code == 200
        except httpx.TransportError:
            return False

    try:
        eventually(up, every=0.1)
        yield api
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def held(api: Api, count: int, source: str, sent: bytes = b"") -> Iterator[list[socket.socket]]:
    """Connections from an address, each of which has sent a part of a request."""
    with ExitStack() as stack:
        connections = []
        for _ in range(count):
            connection = stack.enter_context(closing(api.connect(source)))
            connection.sendall(sent)
            connections.append(connection)
        yield connections


def ended(connection: socket.socket) -> bool:
    """Whether the API has closed a connection."""
    connection.setblocking(False)
    try:
        while connection.recv(65536):
            pass
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    return True


def answers(connections: list[socket.socket]) -> list[bytes]:
    """The first 12 bytes of each received answer; they are not consumed."""
    received = []
    for connection in connections:
        connection.setblocking(False)
        try:
            received.append(connection.recv(12, socket.MSG_PEEK))
        except BlockingIOError:
            continue
    return received


def test_the_api_raises_its_soft_limit_and_derives_its_bounds(start):
    api = start()
    assert api.process.rlimit(psutil.RLIMIT_NOFILE)[0] == FILES
    assert api.metric("lth_connections_bound") == BOUND
    assert api.metric("process_max_fds") == FILES
    assert 0 < api.metric("lth_connections ") < 10
    assert api.metric("lth_event_streams_bound") == BOUND // 2


HEAD = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
"""The head of a request, without its end."""


@pytest.mark.parametrize("sent", [b"", HEAD], ids=["idle", "slow"])
def test_connections_without_a_request_block_no_clients_and_are_closed(start, sent):
    api = start()
    with ExitStack() as stack:
        connections = []
        for number in range(2, 7):
            connections += stack.enter_context(held(api, 220, f"127.0.0.{number}", sent))
            assert api.answers()
        assert api.process.num_fds() < FILES
        assert api.metric("lth_connections ") <= BOUND
        assert api.metric('lth_connections_ended_total{reason="evicted"}') > 100
        assert "connections_at_bound" in api.log.read_text()
        eventually(lambda: all(ended(one) for one in connections), 60)
        assert api.answers()
    assert api.metric("lth_connections ") < 20


def test_an_address_without_a_key_gets_a_quarter_of_the_connections_and_a_proxy_all(start):
    api = start(head_seconds=600, FORWARDED_ALLOW_IPS="127.0.0.3")
    with held(api, 2 * BOUND, "127.0.0.2"):
        assert api.answers()
        assert api.metric("lth_connections ") <= BOUND // 4 + 10
        with held(api, BOUND // 2, "127.0.0.3"):
            assert BOUND // 2 < api.metric("lth_connections ") <= BOUND
            with held(api, BOUND, "127.0.0.3"):
                assert api.metric("lth_connections ") <= BOUND
                assert api.answers()


def test_event_streams_of_three_owners_leave_connections_for_others(start):
    api = start()
    with client(api.address, ADMIN) as admin:
        keys = [
            admin.post("/v1/keys", json={"owner": owner, "role": "member"}).json()["key"]
            for owner in ("ada", "bob", "eve")
        ]
    statuses: list[Counter[int]] = []
    with ExitStack() as stack:
        for key in keys:
            member = stack.enter_context(
                httpx.Client(
                    base_url=api.address,
                    headers={"Authorization": f"Bearer {key}"},
                    limits=httpx.Limits(max_connections=BOUND),
                    timeout=SOON,
                )
            )
            job = member.post("/v1/jobs", json={"kind": "model"}).json()["id"]
            counts: Counter[int] = Counter()
            for _ in range(BOUND // 4 + 5):
                request = member.build_request("GET", f"/v1/jobs/{job}/events")
                answer = member.send(request, stream=True)
                counts[answer.status_code] += 1
                if answer.status_code == 200:
                    stack.callback(answer.close)
                    continue
                answer.read()
                assert int(answer.headers["retry-after"]) > 0
                assert answer.headers["content-type"] == "application/problem+json"
            statuses.append(counts)
        assert statuses == [
            {200: BOUND // 4, 429: 5},
            {200: BOUND // 4, 429: 5},
            {503: BOUND // 4 + 5},
        ]
        assert api.metric("lth_event_streams ") == BOUND // 2
        assert api.answers()
    eventually(lambda: api.metric("lth_event_streams ") == 0, 60)


def test_incomplete_requests_are_bounded_by_owner_and_closed(start):
    # Here one address may open many connections before the API has read their keys.
    api = start(stalled_seconds=3 * STALLED_SECONDS, max_address_connections=BOUND)

    def unfinished(key: str) -> bytes:
        return (
            f"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
            "Content-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
        ).encode()

    def health() -> tuple[int, int]:
        with httpx.Client(base_url=api.address, timeout=SOON) as other:
            return other.get("/healthz").status_code, other.get("/v1/jobs").status_code

    with client(api.address, ADMIN) as admin:
        ada, bob = (
            admin.post("/v1/keys", json={"owner": owner, "role": "member"}).json()["key"]
            for owner in ("ada", "bob")
        )
    with held(api, BOUND // 2 + 1, "127.0.0.2", unfinished(ada)) as first:
        eventually(lambda: answers(first) == [b"HTTP/1.1 429"], SOON, every=0.2)
        with held(api, BOUND // 2, "127.0.0.3", unfinished(bob)) as second:
            eventually(lambda: health() == (200, 503), SOON, every=0.2)
            eventually(lambda: all(ended(one) for one in [*first, *second]), 60)
            assert api.metric('lth_connections_ended_total{reason="stalled"}') > BOUND // 2
            assert api.answers()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (HEAD, 408),
        (HEAD + b"x: " + b"y" * 70_000, 431),
        (b"nonsense\r\n\r\n", 400),
    ],
)
def test_a_malformed_request_gets_a_problem_document(start, sent, status):
    api = start()
    with closing(api.connect()) as connection:
        connection.sendall(sent)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"application/problem+json" in head
    assert json.loads(body)["status"] == status


def test_an_unread_body_does_not_keep_a_connection_open(start):
    api = start()
    head = b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n"
    with closing(api.connect()) as connection:
        connection.sendall(head)
        assert b" 401 " in connection.recv(65536)

        def refused() -> bool:
            try:
                connection.send(b" ")
            except ConnectionError:
                return True
            return False

        eventually(refused, 60, every=0.2)
