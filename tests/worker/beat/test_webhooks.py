"""Webhooks are signed, retried, and never call private addresses."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import ProgrammingError
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from lth.core.webhook_signature import signed
from lth.spec.document import parse_spec
from lth.spec.plan import plan
from service.settings import Settings
from service.signing import secret_of, written
from service.store.accounts.audit import Actor
from service.store.database import Database
from service.store.jobs import webhooks
from service.store.jobs.submitting import Submission, submit
from service.store.jobs.webhooks import Call
from service.store.states import JobState
from service.store.tables import Job, Webhook
from worker.beat.webhooks import _AT_ONCE, NotCalled, WebhookCaller, resolve

SECRET = "a secret of some length"
SPEC = parse_spec({"kind": "model", "name": "first", "labels": {"a": "b"}})


class LocalServer(HTTPServer):
    """Listens on the address of localhost: IPv4 or IPv6."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        family, *_, (address, *_) = socket.getaddrinfo("localhost", 0, type=socket.SOCK_STREAM)[0]
        self.address_family = family
        super().__init__((address, 0), handler)


class Receiver:
    """A local server that records requests and sends the configured response."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers = [200]
        self.pause = 0.0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
                status = receiver.answers.pop(0) if receiver.answers else 200
                if receiver.pause:
                    self.drip()
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def drip(self) -> None:
                with suppress(OSError):
                    for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 50:
                        self.wfile.write(bytes([byte]))
                        time.sleep(receiver.pause)

            def log_message(self, *_: object) -> None:
                pass

        self.server = LocalServer(Handler)
        self.url = f"http://localhost:{self.server.server_port}/hook?a=1"


@pytest.fixture
def receiver():
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever)
    thread.start()
    yield receiver
    receiver.server.shutdown()
    thread.join()
    receiver.server.server_close()


@pytest.fixture
def database(database_url):
    database = Database(database_url, 4)
    yield database
    database.close()


def settings(database_url: str, *, private: bool) -> Settings:
    return Settings(
        database_url=database_url,
        signing_secret=SecretStr(SECRET),
        webhook_private_addresses=private,
    )


@pytest.fixture
def courier(database, database_url) -> WebhookCaller:
    return WebhookCaller(settings(database_url, private=True), database)


@pytest.fixture
def job(database, receiver, courier) -> str:
    submission = Submission(Actor("ada"), SPEC, plan(SPEC), webhook=receiver.url)
    return submit(database, submission, courier.settings).job.id


def end(database, job: str) -> None:
    with database.transaction() as session:
        session.execute(
            update(Job)
            .where(Job.id == job)
            .values(state=JobState.SUCCEEDED, finished_at=func.now())
        )


def make_due(database) -> None:
    with database.transaction() as session:
        session.execute(update(Webhook).values(next_at=func.now()))


def go_round(courier: WebhookCaller) -> None:
    courier.round()
    for call in courier._running_calls:
        call.result(60)


def hook(database) -> Webhook:
    with database.transaction() as session:
        return session.scalars(select(Webhook)).one()


def test_an_unfinished_job_calls_no_webhook(database, courier, job, receiver):
    go_round(courier)
    assert receiver.got == []


def test_the_end_of_a_job_calls_the_webhook_once_with_a_signature(database, courier, job, receiver):
    end(database, job)
    for _ in range(3):
        go_round(courier)
    ((headers, body),) = receiver.got
    document = json.loads(body)
    assert document["type"] == "job.finished"
    assert (document["data"]["id"], document["data"]["state"]) == (job, "succeeded")
    assert headers["host"].startswith("localhost:")
    assert headers["webhook-id"] == job
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    secret = secret_of(courier.settings, "ada")
    assert secret is not None
    assert Verifier(written(secret)).verify(body, headers) == document
    with pytest.raises(WebhookVerificationError):
        Verifier(written(secret)).verify(body + b" ", headers)
    assert hook(database).delivered_at is not None


def test_a_failed_call_is_retried_a_limited_number_of_times(database, courier, job, receiver):
    receiver.answers = [500] * 20
    end(database, job)
    for attempt in range(1, len(webhooks.DELAYS) + 2):
        go_round(courier)
        go_round(courier)
        assert len(receiver.got) == attempt
        make_due(database)
    go_round(courier)
    assert len(receiver.got) == len(webhooks.DELAYS) + 1
    assert hook(database).given_up_at is not None
    assert "answered 500" in (hook(database).error or "")


def test_a_redirect_is_not_followed(database, courier, job, receiver):
    receiver.answers = [302]
    end(database, job)
    go_round(courier)
    assert len(receiver.got) == 1
    assert "answered 302" in (hook(database).error or "")


def test_a_retried_job_calls_its_webhook_again(database, courier, job, receiver):
    end(database, job)
    go_round(courier)
    with database.transaction() as session:
        webhooks.reset(session, job)
    go_round(courier)
    assert len(receiver.got) == 2


def test_a_slow_receiver_times_out(database, courier, job, receiver):
    """No single read times out, so only the timeout of the whole call ends it."""
    courier.seconds = 0.5
    receiver.pause = 0.2
    end(database, job)
    go_round(courier)
    assert "0.5 s" in (hook(database).error or "")


def test_no_more_calls_are_claimed_than_can_run_at_once(database, courier, job, receiver):
    submission = Submission(Actor("ada"), SPEC, plan(SPEC), webhook=receiver.url)
    for ended in (job, submit(database, submission, courier.settings).job.id):
        end(database, ended)
    other = Call("job", "other", "http://other.example/", 0, {})
    courier._running_calls = {Future(): other for _ in range(_AT_ONCE)}
    courier.round()
    assert receiver.got == []
    courier._running_calls.popitem()
    courier.round()
    list(courier._running_calls)[-1].result(100)
    assert len(receiver.got) == 1


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a receiver that accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"


def ended(database, courier, owner: str, url: str, count: int = 1) -> None:
    """Finished jobs of an owner, each with a due webhook."""
    for _ in range(count):
        submission = Submission(Actor(owner), SPEC, plan(SPEC), webhook=url)
        end(database, submit(database, submission, courier.settings).job.id)


def test_a_receiver_that_never_answers_delays_no_other_owner(
    database, database_url, receiver, silent
):
    courier = WebhookCaller(settings(database_url, private=True), database, seconds=30)
    ended(database, courier, "ada", silent, 100)
    make_due(database)
    courier.round()
    assert len(courier._running_calls) == webhooks.PER_OWNER
    ended(database, courier, "bob", receiver.url)
    make_due(database)
    started = time.monotonic()
    courier.round()
    while not receiver.got:
        assert time.monotonic() - started < 20, "it waits for the calls of another owner"
        time.sleep(0.01)
    courier.seconds = 0.0


def test_a_host_that_never_answers_delays_no_other_host(database, database_url, receiver, silent):
    courier = WebhookCaller(settings(database_url, private=True), database, seconds=30)
    for number in range(60):
        ended(database, courier, f"owner-{number}", silent)
    make_due(database)
    courier.round()
    assert len(courier._running_calls) == webhooks.PER_HOST
    ended(database, courier, "bob", receiver.url)
    make_due(database)
    courier.round()
    started = time.monotonic()
    while not receiver.got:
        assert time.monotonic() - started < 20, "it waits for the calls to another host"
        time.sleep(0.01)


def test_owners_take_turns(database, courier, receiver):
    for owner in ("ada", "bob", "eve"):
        for number in range(3):
            ended(database, courier, owner, f"http://{owner}-{number}.example/")
    make_due(database)
    with database.transaction() as session:
        calls = webhooks.claim_due(session, 3)
    assert {call.owner for call in calls} == {"ada", "bob", "eve"}


def test_an_owner_with_fewer_running_calls_comes_first(database, courier):
    for owner in ("ada", "bob"):
        ended(database, courier, owner, f"http://{owner}.example/", 10)
    ended(database, courier, "eve", "http://eve.example/")
    make_due(database)
    with database.transaction() as session:
        calls = webhooks.claim_due(session, 1, {"ada": 3, "bob": 3})
    assert [call.owner for call in calls] == ["eve"]


def test_owners_take_turns_at_one_host(database, courier):
    ended(database, courier, "ada", "http://shared.example/slow", 10)
    ended(database, courier, "bob", "http://shared.example/")
    make_due(database)
    with database.transaction() as session:
        calls = webhooks.claim_due(session, 32, {"ada": 3}, {"shared.example": 3})
    assert [call.owner for call in calls] == ["bob"]


@pytest.mark.parametrize(
    "url",
    ["http://[2606:4700::1]:81/", "http://slow.example./", "http://slow.example:81/?a=@b"],
)
def test_calls_of_a_host_are_counted_in_every_notation(database, courier, url):
    ended(database, courier, "ada", url, webhooks.PER_HOST + 1)
    make_due(database)
    with database.transaction() as session:
        first = webhooks.claim_due(session)
    assert len(first) == webhooks.PER_HOST
    ended(database, courier, "bob", url)
    make_due(database)
    under_way = {call.host: webhooks.PER_HOST for call in first}
    with database.transaction() as session:
        assert webhooks.claim_due(session, 20, {}, under_way) == []


def test_a_slow_name_lookup_times_out(monkeypatch):
    asked = threading.Event()
    monkeypatch.setattr("worker.beat.webhooks._LOOKUP_SECONDS", 0.1)
    monkeypatch.setattr("worker.beat.webhooks.socket.getaddrinfo", lambda *_, **__: asked.wait(30))
    with pytest.raises(NotCalled, match="was not found within"):
        resolve(httpx.URL("http://slow.example/"), private_allowed=False)
    asked.set()


def test_a_call_whose_outcome_cannot_be_stored_is_logged(database, courier, job, caplog):
    end(database, job)
    with database.transaction() as session:
        session.execute(text("DROP TABLE webhooks CASCADE"))
    call = Call(job, "ada", "http://localhost:1/", 0, {})
    courier._running_calls = {courier._threads.submit(courier.deliver, call): call}
    wait(courier._running_calls)
    with suppress(ProgrammingError):
        courier.round()
    assert "webhooks" in caplog.text


def test_private_addresses_are_not_called(database, database_url, job, receiver):
    end(database, job)
    go_round(WebhookCaller(settings(database_url, private=False), database))
    assert receiver.got == []
    assert "not public" in (hook(database).error or "")
    assert "127.0.0.1" not in (hook(database).error or "")


def test_each_owner_has_its_own_secret(database_url):
    known = settings(database_url, private=False)
    secrets = {secret_of(known, "ada"), secret_of(known, "bob"), SECRET.encode()}
    assert len(secrets) == 3
    unknown = known.model_copy(update={"signing_secret": SecretStr("")})
    assert secret_of(unknown, "ada") is None
    assert written(b"known") == "whsec_a25vd24="


def test_a_signature_covers_id_timestamp_and_body():
    known = b"a secret"
    first = signed(known, "job_1", b"{}", now=1)["webhook-signature"]
    others = [signed(known, "job_2", b"{}", now=1), signed(known, "job_1", b"[]", now=1)]
    others.append(signed(known, "job_1", b"{}", now=2))
    assert first not in [other["webhook-signature"] for other in others]


def test_the_checked_address_is_called_with_the_host_name(
    database, courier, job, receiver, monkeypatch
):
    """The name may resolve to another address later; TLS still needs the name."""
    sent: list[httpx.Request] = []

    async def look(request: httpx.Request) -> int:
        sent.append(request)
        return 204

    monkeypatch.setattr(courier, "_status", look)
    monkeypatch.setattr("worker.beat.webhooks.resolve", lambda url, **_: "203.0.113.7")
    courier._post(Call(job, "ada", "https://example.org:8443/hook", 0, {}))
    (request,) = sent
    assert (request.url.host, request.url.port) == ("203.0.113.7", 8443)
    assert request.headers["host"] == "example.org:8443"
    assert request.extensions["sni_hostname"] == "example.org"


def test_webhooks_ignore_proxies_of_the_environment(database, courier, job, receiver, monkeypatch):
    """A proxy would resolve the name again, and could reach a private address."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    end(database, job)
    go_round(courier)
    assert len(receiver.got) == 1
