"""Both clients, against a server with all faults of networks and services."""

import asyncio
import hashlib
import inspect
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lth.client import Artifact, AsyncClient, Client, Event
from lth.client.errors import (
    BadDocument,
    Conflict,
    DamagedDownload,
    Invalid,
    JobNotSucceeded,
    NotAllowed,
    NotAuthenticated,
    NotFinished,
    NotFound,
    NotTheService,
    ServiceFailed,
    TooManyRequests,
    Unreachable,
)
from lth.client.locating import Address
from lth.client.retries import Retries
from lth.core.errors import SpecError
from lth.results.records import records
from lth.spec.document import parse_spec
from tests.lth.client.scripted import Answer, document, problem, scripted
from tests.lth.plots.made_up import robust

FAST = Retries(attempts=4, first=0.001, longest=0.002)
JOB = {
    "id": "job_1",
    "name": "",
    "kind": "model",
    "owner": "local",
    "state": "succeeded",
    "labels": {},
    "priority": 50,
    "pool": "cpu",
    "spec_hash": "0" * 64,
    "runs_total": 1,
    "runs_finished": 1,
    "created_at": "2026-01-01T00:00:00Z",
    "added_later": "by a newer service",
}

Use = Callable[[str | None, Callable[[Any], Any]], Any]


def _plain(server: str | None, do: Callable[[Any], Any]) -> Any:
    with Client(server, retries=FAST) as client:
        result = do(client)
        return list(result) if isinstance(result, Iterator) else result


def _coroutine(server: str | None, do: Callable[[Any], Any]) -> Any:
    async def run() -> Any:
        async with AsyncClient(server, retries=FAST) as client:
            result = do(client)
            if isinstance(result, AsyncIterator):
                return [one async for one in result]
            return await result

    return asyncio.run(run())


@pytest.fixture(params=[_plain, _coroutine], ids=["sync", "async"])
def use(request: pytest.FixtureRequest) -> Use:
    """Calls a function with a client of each kind."""
    return request.param


def test_both_clients_have_the_same_methods() -> None:
    def public(kind: type) -> dict[str, list[str]]:
        members = inspect.getmembers(kind, inspect.isfunction)
        return {n: list(inspect.signature(f).parameters) for n, f in members if n[0] != "_"}

    assert public(Client) == public(AsyncClient)


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_every_public_method_has_an_example(kind: type) -> None:
    members = inspect.getmembers(kind, inspect.isfunction)
    public = [kind, *(method for name, method in members if name[0] != "_")]
    assert len(public) > 20
    assert [one.__name__ for one in public if ">>> " not in (one.__doc__ or "")] == []


def test_an_idempotent_request_is_retried_until_it_succeeds(use: Use) -> None:
    cut = Answer(200, b"x" * 100, cut=10)
    later = replace(problem(429), headers={"Retry-After": "0"})
    with scripted(problem(503), cut, later, document(JOB)) as script:
        assert use(script.server, lambda client: client.job("job_1")).id == "job_1"
    assert len(script.seen) == 4


def test_a_request_over_quota_is_not_retried(use: Use) -> None:
    with scripted(problem(429), document(JOB, 202)) as script, pytest.raises(TooManyRequests):
        use(script.server, lambda client: client.submit({}))
    assert len(script.seen) == 1


def test_a_submit_is_retried_with_the_same_idempotency_key(use: Use) -> None:
    with scripted(problem(503), document(JOB, 202)) as script:
        use(script.server, lambda client: client.submit({"kind": "model"}))
    first, second = script.seen
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
    assert json.loads(second.body) == {"kind": "model"}


def test_two_submits_have_different_idempotency_keys(use: Use) -> None:
    with scripted(document(JOB, 202)) as script:
        use(script.server, lambda client: client.submit({}))
        use(script.server, lambda client: client.submit({}))
    first, second = script.seen
    assert first.headers["Idempotency-Key"] != second.headers["Idempotency-Key"]


def test_retries_end_after_the_last_attempt(use: Use) -> None:
    with scripted(problem(503, detail="the database is away")) as script:
        with pytest.raises(ServiceFailed, match="the database is away"):
            use(script.server, lambda client: client.job("job_1"))
        assert len(script.seen) == FAST.attempts


def test_an_unreachable_server_is_reported_with_its_address(use: Use) -> None:
    with pytest.raises(Unreachable, match=r"http://127\.0\.0\.1:1"):
        use("http://127.0.0.1:1", lambda client: client.job("job_1"))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Invalid),
        (401, NotAuthenticated),
        (403, NotAllowed),
        (404, NotFound),
        (409, Conflict),
        (413, Invalid),
        (422, Invalid),
        (429, TooManyRequests),
        (500, ServiceFailed),
    ],
)
def test_each_kind_of_refusal_has_its_error_class(
    use: Use, status: int, kind: type[Exception]
) -> None:
    with scripted(problem(status)) as script, pytest.raises(kind) as raised:
        use(script.server, lambda client: client.job("job_1"))
    assert type(raised.value) is kind


def test_a_wrong_spec_lists_every_wrong_field(use: Use) -> None:
    errors = [{"pointer": "/seed", "detail": "too small", "value": -1, "expected": "from 0"}]
    with scripted(problem(422, errors=errors)) as script, pytest.raises(Invalid) as raised:
        use(script.server, lambda client: client.submit({"seed": -1}))
    (wrong,) = raised.value.wrong
    assert (wrong.pointer, wrong.value, wrong.expected) == ("/seed", -1, "from 0")


@pytest.mark.parametrize("body", [b"<html>proxy</html>", b"[]", b'{"id": 3}'])
def test_a_response_of_another_server_raises_not_the_service(use: Use, body: bytes) -> None:
    with scripted(Answer(200, body)) as script, pytest.raises(NotTheService):
        use(script.server, lambda client: client.job("job_1"))


def test_all_pages_of_a_list_are_read(use: Use) -> None:
    pages = [
        document({"jobs": [{**JOB, "id": "job_2"}], "cursor": "abc"}),
        document({"jobs": [JOB], "cursor": None}),
    ]
    with scripted(*pages) as script:
        found = use(script.server, lambda client: client.jobs(labels={"a": "b"}))
    assert [job.id for job in found] == ["job_2", "job_1"]
    assert "label=a%3Db" in script.seen[0].path
    assert "cursor=abc" in script.seen[1].path


def test_a_list_ends_at_its_limit(use: Use) -> None:
    page = document({"jobs": [JOB, JOB], "cursor": "abc"})
    with scripted(page) as script:
        assert len(use(script.server, lambda client: client.jobs(limit=3))) == 3
        assert use(script.server, lambda client: client.jobs(limit=0)) == []
    assert [seen.path.partition("limit=")[2][:1] for seen in script.seen] == ["3", "1"]


def test_an_id_is_escaped_to_one_segment_of_a_path(use: Use) -> None:
    with scripted(problem(404)) as script:
        for ask in ("job", "events", "runs", "cancel", "delete", "summary", "artifacts"):
            with pytest.raises(NotFound):
                use(script.server, lambda client, ask=ask: getattr(client, ask)("../a/b?c"))
    assert all("/v1/jobs/..%2Fa%2Fb%3Fc" in seen.path for seen in script.seen)


@pytest.mark.parametrize("server", ["lth.example.org", "localhost:8000", "ftp://lth.example.org"])
def test_an_address_without_a_scheme_is_refused_at_once(server: str) -> None:
    with pytest.raises(Unreachable, match=f"'{server}' is not an address .* http:// or https://"):
        Client(server)


def test_a_malformed_key_is_refused_and_not_shown() -> None:
    with pytest.raises(Unreachable, match="the API key") as raised:
        Client("http://127.0.0.1:1", "lth_schlüssel")
    assert "schl" not in str(raised.value)


@pytest.mark.parametrize("around", [" {}", "{} ", "{}\n", "{}\t", "{} {}", "\r\n{}"])
def test_a_key_with_spaces_is_refused_without_printing_it(around: str) -> None:
    with pytest.raises(Unreachable, match=r"the API key .* contains a space") as raised:
        Client("http://127.0.0.1:1", around.format("lth_planted", "lth_planted"))
    assert "planted" not in str(raised.value)


def test_the_password_and_the_parameters_of_an_address_are_not_printed(use: Use) -> None:
    with scripted(Answer(403, b"<Error/>")) as script:
        server = script.server.replace("//", "//ada:planted-password@")
        with pytest.raises(
            NotTheService, match=r"//ada:\[hidden\]@127.0.0.1:\d+/v1/jobs "
        ) as raised:
            use(server, lambda client: client.jobs(text="planted"))
    assert "planted" not in str(raised.value)


def test_the_repr_of_an_address_shows_no_secret() -> None:
    assert "planted" not in repr(Address("http://host", "planted-key", "planted-secret"))


def test_a_stream_of_another_program_is_no_answer(use: Use) -> None:
    with scripted(Answer(200, b"<html>")) as script, pytest.raises(Unreachable, match="no answer"):
        use(script.server, lambda client: client.events("job_1"))


def test_events_continue_after_a_lost_connection(use: Use) -> None:
    first = _events(1, 2, 3)
    broken = Answer(200, first.body, first.headers, cut=len(_events(1, 2).body))
    with scripted(broken, problem(503), _events(3, 4, last="job_finished")) as script:
        events: list[Event] = use(script.server, lambda client: client.events("job_1"))
    assert [event.number for event in events] == [1, 2, 3, 4]
    assert script.seen[1].headers["Last-Event-ID"] == "2"
    assert script.seen[2].headers["Last-Event-ID"] == "2"


@pytest.mark.parametrize("away", [problem(503), Answer(200, b"x" * 100, cut=10)])
def test_following_a_job_survives_a_restart_of_the_service(use: Use, away: Answer) -> None:
    answers = [_events(1), *[away] * (2 * FAST.attempts), _events(2, last="job_finished")]
    with scripted(*answers) as script:
        events = use(script.server, lambda client: client.events("job_1"))
    assert [event.number for event in events] == [1, 2]


def test_following_fails_soon_if_the_service_never_answered(use: Use) -> None:
    with scripted(problem(503)) as script, pytest.raises(Unreachable):
        use(script.server, lambda client: client.events("job_1"))
    assert len(script.seen) == FAST.attempts


def test_following_ends_if_the_service_does_not_return(use: Use) -> None:
    gone = scripted(_events(1), problem(503, detail="it is gone"))
    with gone as script, pytest.raises(Unreachable, match=r"^no answer from http://[\w.:]+: it is"):
        use(script.server, lambda client: client.events("job_1"))


def test_events_of_a_finished_job_end_after_its_last_event(use: Use) -> None:
    with scripted(_events(), document(JOB)) as script:
        assert use(script.server, lambda client: client.events("job_1", after=9)) == []


def test_waiting_for_a_failed_job_raises_with_the_reason(use: Use) -> None:
    failure = {"run": "trial-1/ticket", "reason": "diverged", "message": "the loss is NaN"}
    failed = document({**JOB, "state": "failed", "failure": failure})
    said = pytest.raises(JobNotSucceeded, match=r"diverged in trial-1/ticket: the loss is NaN")
    with scripted(_events(1, last="job_finished"), failed) as script, said:
        use(script.server, lambda client: client.wait("job_1"))


def test_waiting_ends_in_time(use: Use) -> None:
    running = document({**JOB, "state": "running"})
    said = pytest.raises(NotFinished, match=r"has not finished within 0\.1 s; it is running")
    with scripted(running, running, running) as script, said:
        use(script.server, lambda client: client.wait("job_1", timeout=0.1))
    done = document({**JOB, "state": "succeeded"})
    with scripted(running, done) as script:
        job = use(script.server, lambda client: client.wait("job_1", timeout=60))
    assert job.state == "succeeded"


def test_a_validated_spec_is_submitted_as_its_document(use: Use) -> None:
    spec = parse_spec({"kind": "model", "seed": 3})
    with scripted(document(JOB, 202)) as script:
        use(script.server, lambda client: client.submit(spec))
    assert json.loads(script.seen[0].body) == spec.model_dump(mode="json")


@pytest.mark.parametrize("as_text", [True, False])
def test_the_file_of_a_spec_is_submitted_with_further_fields(
    use: Use, as_text: bool, tmp_path: Path
) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text("kind: model\nname: day\nlabels: {paper: icml, run: 6}\n")
    path = str(file) if as_text else file
    with scripted(document(JOB, 202)) as script:
        use(
            script.server,
            lambda client: client.submit(path, name="night", labels={"run": "7"}, team=None),
        )
        use(script.server, lambda client: client.submit(path))
    first, second = (json.loads(seen.body) for seen in script.seen)
    labels = {"paper": "icml", "run": "7"}
    assert first == {"kind": "model", "name": "night", "labels": labels, "team": None}
    assert second == {"kind": "model", "name": "day", "labels": {"paper": "icml", "run": 6}}


def test_what_is_no_document_is_not_sent(use: Use, tmp_path: Path) -> None:
    file = tmp_path / "list.yaml"
    file.write_text("[1]")
    with scripted(document(JOB, 202)) as script:
        for wrong, kind, said in (
            (["model"], SpecError, "a document is a list; expected a dictionary"),
            ({"seed": {1}}, SpecError, "/seed|seed"),
            (str(file), BadDocument, "contains a list"),
            (tmp_path / "missing.yaml", FileNotFoundError, "missing.yaml"),
        ):
            for method in ("submit", "estimate"):
                with pytest.raises(kind, match=said):
                    use(script.server, lambda c, m=method, w=wrong: getattr(c, m)(w))
    assert not script.seen


def test_records_are_the_rows_of_all_pages_of_results(use: Use) -> None:
    found = robust(2)
    results = [
        {"run": f"trial-{one.trial}/{one.experiment}", "result": one.model_dump(mode="json")}
        for one in found
    ]
    page = {"job_id": "job_1", "state": "running"}
    pages = [
        document({**page, "results": results[:1], "cursor": "abc"}),
        document({**page, "results": results[1:]}),
    ]
    with scripted(*pages) as script:
        rows = use(script.server, lambda client: client.records("job_1"))
    assert rows == records(found)
    assert all(
        isinstance(value, str | int | float | None) for row in rows for value in row.values()
    )


def test_workers_are_listed(use: Use) -> None:
    worker = {
        "id": "host/1/2",
        "host": "host",
        "pid": 2,
        "pools": ["cpu"],
        "device": "cpu",
        "memory_total": None,
        "memory_used": None,
        "state": "idle",
        "why": None,
        "job_id": None,
        "run": None,
        "started_at": JOB["created_at"],
        "heartbeat_seconds": 1.5,
    }
    with scripted(document({"workers": [worker]})) as script:
        (found,) = use(script.server, lambda client: client.workers())
    assert (found.id, found.state) == ("host/1/2", "idle")


def test_a_download_resumes_after_a_lost_connection(use: Use, tmp_path: Path) -> None:
    content = bytes(range(256)) * 1000
    told: list[int] = []

    def rest(seen: Any) -> Answer:
        start = int(seen.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        assert 0 < start <= 100_000
        return Answer(206, content[start:])

    with scripted(Answer(200, content, cut=100_000), rest) as script:
        path = use(
            script.server,
            lambda client: client.download(_artifact(content), tmp_path, progress=told.append),
        )
    assert path == tmp_path / "trial-1/ticket/masks.npz"
    assert path.read_bytes() == content
    assert sum(told) == len(content)


def test_a_download_restarts_if_the_server_ignores_ranges(use: Use, tmp_path: Path) -> None:
    content = b"a" * 200_000
    with scripted(Answer(200, content, cut=100_000), Answer(200, content)) as script:
        path = use(script.server, lambda client: client.download(_artifact(content), tmp_path))
    assert path.read_bytes() == content


def test_a_damaged_download_leaves_no_file(use: Use, tmp_path: Path) -> None:
    with scripted(Answer(200, b"other")) as script, pytest.raises(DamagedDownload):
        use(script.server, lambda client: client.download(_artifact(b"right"), tmp_path))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_picture_drawn_on_demand_is_verified_by_its_entity_tag(use: Use, tmp_path: Path) -> None:
    undrawn = _artifact(b"").model_copy(update={"size": None, "digest": None})
    tag = {"ETag": f'"{hashlib.sha256(b"picture").hexdigest()}"'}
    busy = Answer(503, b"{}", {"Retry-After": "0"})
    with scripted(busy, Answer(200, b"picture", tag)) as script:
        path = use(script.server, lambda client: client.download(undrawn, tmp_path))
    assert path.read_bytes() == b"picture"
    with scripted(Answer(200, b"damaged", tag)) as script, pytest.raises(DamagedDownload):
        use(script.server, lambda client: client.download(undrawn, tmp_path))


def test_a_refused_download_is_not_retried(use: Use, tmp_path: Path) -> None:
    with scripted(problem(404)) as script, pytest.raises(NotFound):
        use(script.server, lambda client: client.download(_artifact(b"x"), tmp_path))
    assert len(script.seen) == 1


def test_a_file_name_cannot_leave_the_folder(use: Use, tmp_path: Path) -> None:
    evil = _artifact(b"x").model_copy(update={"name": "../../evil"})
    with scripted(Answer(200, b"x")) as script, pytest.raises(DamagedDownload, match="leads out"):
        use(script.server, lambda client: client.download(evil, tmp_path / "a" / "b"))
    assert not script.seen


def test_every_request_contains_the_key(use: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LTH_API_KEY", "lth_secret")
    with scripted(document(JOB)) as script:
        use(script.server, lambda client: client.job("job_1"))
    assert script.seen[0].headers["Authorization"] == "Bearer lth_secret"


def _events(*numbers: int, last: str = "progress") -> Answer:
    said = b""
    for number in numbers:
        kind = last if number == numbers[-1] else "progress"
        event = {"number": number, "kind": kind, "run": None, "at": JOB["created_at"], "data": {}}
        said += f"event: {kind}\nid: {number}\ndata: {json.dumps(event)}\n\n".encode()
    return Answer(200, said, {"Content-Type": "text/event-stream"})


def _artifact(content: bytes) -> Artifact:
    return Artifact(
        name="trial-1/ticket/masks.npz",
        media_type="application/x-npz",
        size=len(content),
        digest=hashlib.sha256(content).hexdigest(),
        href="/v1/jobs/job_1/artifacts/trial-1/ticket/masks.npz",
    )
