"""Submissions that are accepted, and the errors of others."""

import time

import pytest
from sqlalchemy import func, select

from service.store.tables import Event, Job, Run

SPEC = {"kind": "model", "name": "first", "seed": 3, "labels": {"team": "a"}}


def rows(database) -> int:
    with database.transaction() as session:
        return sum(
            session.scalar(select(func.count()).select_from(table)) or 0
            for table in (Job, Run, Event)
        )


def problem(response, status: int, slug: str) -> dict:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document["type"] == f"urn:lth:problem:{slug}"
    assert document["status"] == status
    assert document["detail"]
    assert document["request_id"] == response.headers["x-request-id"]
    return document


def pointers(document: dict) -> set[str]:
    return {error["pointer"] for error in document["errors"]}


def test_a_submitted_job_is_found_at_the_returned_location(api):
    response = api.post("/v1/jobs", json=SPEC)
    assert response.status_code == 202
    job = response.json()
    assert job["state"] == "queued"
    assert job["spec"]["training"]["batch_size"] == 60
    assert response.headers["location"] == f"/v1/jobs/{job['id']}"
    found = api.get(response.headers["location"]).json()
    assert found.items() >= {name: job[name] for name in job if name != "reused"}.items()


def test_a_session_is_planned_as_several_runs(api):
    spec = {
        "kind": "session",
        "experiments": [
            {"name": "b", "control": {"kind": "random_weights", "of": "a"}},
            {"name": "a"},
        ],
    }
    job = api.post("/v1/jobs", json=spec).json()
    runs = api.get(f"/v1/jobs/{job['id']}/runs").json()["runs"]
    assert [(run["key"], run["state"]) for run in runs] == [
        ("trial-1/trunk", "queued"),
        ("trial-1/a", "blocked"),
        ("trial-1/b", "blocked"),
    ]


TEN_WRONG = {
    "kind": "model",
    "sede": 1,
    "name": 7,
    "priority": 101,
    "dataset": {"kind": "digts"},
    "network": {"kind": "layers", "layers": [{"kind": "linear"}]},
    "training": {"batch_size": 0, "duration": "3e", "optimizer": {"kind": "adm"}},
    "pruning": {"schedule": {"kind": "one_shot", "sparsity": 1.5}, "x": None},
}


@pytest.mark.parametrize(
    ("kind", "more", "field"),
    [
        (None, {"pruning": {"x": 1}}, "/pruning/x"),
        (None, {"experiments": [{"name": "NO"}]}, "/experiments/0/name"),
        (None, {"grid": {"criteria": []}}, "/grid/criteria"),
        (None, {"trials": 1}, "/trials"),
        ("modle", {"pruning": {"x": 1}}, "/pruning/x"),
        ("sesion", {"experiments": [{"name": "NO"}]}, "/experiments/0/name"),
        ([1], {"pruning": {"x": 1}}, "/pruning/x"),
    ],
)
def test_other_wrong_fields_are_reported_without_a_known_kind(api, kind, more, field):
    said = {} if kind is None else {"kind": kind}
    sent = {**said, "sede": 1, "priority": 101, "training": {"duration": "5000ep"}, **more}
    document = problem(api.post("/v1/jobs", json=sent), 422, "invalid")
    assert pointers(document) >= {"/kind", "/sede", "/priority", "/training/duration", field}


@pytest.mark.parametrize(
    "wrong",
    [
        {"webhook": "https://ada:planted@example.org"},
        {"webhook": "https://ada:planted@"},
        {"webhook": ["https://example.org?token=planted"]},
        {"dataset": "https://ada:planted@example.org"},
        {"name": {"text": f"https://ada:planted@example.org/{'x' * 300}"}},
    ],
)
def test_a_response_repeats_no_password_of_an_address(api, wrong):
    response = api.post("/v1/jobs", json={"kind": "model", **wrong})
    problem(response, 422, "invalid")
    assert "[hidden]" in response.text
    assert "planted" not in response.text


def test_ten_wrong_fields_are_reported_together(api, database):
    document = problem(api.post("/v1/jobs", json=TEN_WRONG), 422, "invalid")
    assert pointers(document) == {
        "/sede",
        "/name",
        "/priority",
        "/dataset/kind",
        "/network/layers/0/units",
        "/training/batch_size",
        "/training/duration",
        "/training/optimizer/kind",
        "/pruning/schedule/sparsity",
        "/pruning/x",
    }
    by_pointer = {error["pointer"]: error for error in document["errors"]}
    assert by_pointer["/pruning/schedule/sparsity"]["value"] == 1.5
    assert by_pointer["/pruning/schedule/sparsity"]["expected"] == (
        "a number, more than 0 and less than 1"
    )
    assert by_pointer["/sede"]["expected"].startswith("'seed', perhaps?")
    assert by_pointer["/dataset/kind"]["expected"].startswith("'digits', perhaps?")
    assert rows(database) == 0


def test_a_limit_of_the_server_is_reported_like_a_wrong_field(api, database):
    spec = {"kind": "model", "training": {"duration": "100000ep"}}
    document = problem(api.post("/v1/jobs", json=spec), 422, "invalid")
    assert pointers(document) == {"/training/duration"}
    assert "1000ep" in document["errors"][0]["detail"]
    assert rows(database) == 0


@pytest.mark.parametrize(
    ("content", "status", "slug"),
    [
        (b"kind: model", 400, "malformed-body"),
        (b"", 400, "malformed-body"),
        (b'{"kind": "model", "seed": NaN}', 400, "malformed-body"),
        (b'{"kind": "model", "seed": Infinity}', 400, "malformed-body"),
        (b'{"kind": "model", "kind": "model"}', 400, "malformed-body"),
        (b'{"kind": "model", "name": "\xff\xfe"}', 400, "malformed-body"),
        (b'{"kind": "model", "name": "\\u0000"}', 400, "malformed-body"),
        (b'{"kind": "model", "name": "\\udead"}', 400, "malformed-body"),
        (b"[" * 500_000, 400, "malformed-body"),
        (b'{"a":' * 500 + b"1" + b"}" * 500, 400, "malformed-body"),
        (b"[]", 422, "invalid"),
        (b"null", 422, "invalid"),
        (b'"model"', 422, "invalid"),
        (b'{"kind": "model", "name": "' + b"x" * 10_000_000 + b'"}', 413, "body-too-large"),
    ],
    ids=lambda value: value[:24] if isinstance(value, bytes) else None,
)
def test_an_unreadable_body_is_refused_and_leaves_no_row(api, database, content, status, slug):
    headers = {"Content-Type": "application/json"}
    problem(api.post("/v1/jobs", content=content, headers=headers), status, slug)
    assert rows(database) == 0


def test_a_body_without_content_length_is_also_bounded(api, database):
    pieces = (b" " * 100_000 for _ in range(100))
    headers = {"Content-Type": "application/json"}
    response = api.post("/v1/jobs", content=pieces, headers=headers)
    problem(response, 413, "body-too-large")
    assert rows(database) == 0


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-yaml", ""])
def test_a_body_of_another_media_type_is_refused(api, media_type):
    response = api.post("/v1/jobs", content=b"{}", headers={"Content-Type": media_type})
    problem(response, 415, "unsupported-media-type")


def test_many_wrong_fields_get_a_quick_and_short_answer(api):
    network = {"kind": "layers", "layers": [{"kind": "linar"}] * 80_000}
    began = time.process_time()
    response = api.post("/v1/jobs", json={"kind": "model", "network": network})
    assert time.process_time() - began < 10, "seconds of CPU time"
    document = problem(response, 422, "invalid")
    assert len(document["errors"]) == 100
    assert len(response.content) < 100_000
