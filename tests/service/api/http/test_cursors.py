"""Every wrong cursor gets a page or a problem document."""

import base64
import json
import random

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.app import create_app
from service.settings import Settings
from tests.service.api.finished import ROBUST, finish_runs, submitted
from tests.service.api.http.test_paging import MAKE
from tests.service.api.test_submitting import problem

LISTS = [
    path
    for path, item in create_app(Settings()).openapi()["paths"].items()
    if any(one["name"] == "cursor" for one in item.get("get", {}).get("parameters", ()))
]


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")


def flipped(cursor: str) -> list[str]:
    """Copies of a cursor, each with one character changed."""
    chance = random.Random(0)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return [
        cursor[:place] + chance.choice(letters) + cursor[place + 1 :]
        for place in range(len(cursor))
    ]


WRONG = [
    "",
    "=",
    "a",
    "\0",
    "\n",
    "%00",
    "é" * 50,
    "x" * 10_000,
    encoded(""),
    encoded("null"),
    encoded(json.dumps({"id": 1})),
    *(
        encoded(f"{table} {last}")
        for table in (
            "jobs",
            "audit_log",
            "audit",
            "api_keys",
            "datasets",
            "runs",
            "job_x",
            "\0",
            "",
        )
        for last in (
            "job_" + "0" * 32,
            "key_" + "f" * 32,
            "ds_" + "f" * 32,
            "0",
            "-1",
            "9" * 18,
            "9" * 19,
            "9" * 400,
            "1e3",
            "infinity",
            "NaN",
            "\udc80",
            "١٢٣",
            "1 2",
            "",
        )
    ),
]


@pytest.fixture
def job_id(api: httpx.Client, database, settings) -> str:
    for _ in range(3):
        for make in MAKE.values():
            make(api)
    job_id = submitted(api, ROBUST)
    finish_runs(database, settings)
    return job_id


def test_all_lists_are_tested() -> None:
    assert {path.rpartition("/")[2] for path in LISTS} == {
        "jobs", "datasets", "keys", "audit", "runs", "artifacts", "results"
    }  # fmt: skip


def test_a_wrong_cursor_gets_a_problem_document(api: httpx.Client, job_id: str) -> None:
    cursors = {}
    for path in LISTS:
        first = api.get(path.format(job_id=job_id), params={"limit": 1})
        cursors[path] = first.json()["cursor"]
        assert cursors[path], path
    for path in LISTS:
        real = cursors[path]
        others = [cursor for of, cursor in cursors.items() if of != path]
        shorter = [real[:length] for length in range(len(real))]
        for cursor in (*WRONG, *flipped(real), *shorter, *others):
            answer = api.get(path.format(job_id=job_id), params={"cursor": cursor, "limit": 1})
            if answer.status_code == 200:
                continue  # the changed cursor is valid for another position
            document = problem(answer, 422, "invalid")
            assert "cursor" in json.dumps(document)
            assert len(document["detail"]) < 1000


def test_a_cursor_of_another_job_is_refused(api: httpx.Client, job_id: str) -> None:
    other = submitted(api, ROBUST)
    for path in LISTS:
        if "{job_id}" in path:
            page = api.get(path.format(job_id=job_id), params={"limit": 1}).json()
            cursor = {"cursor": page["cursor"]}
            problem(api.get(path.format(job_id=other), params=cursor), 422, "invalid")


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "9" * 30, "1.5", "", "NaN", "\0"])
def test_a_wrong_limit_gets_a_problem_document(api: httpx.Client, job_id: str, limit: str) -> None:
    for path in LISTS:
        problem(api.get(path.format(job_id=job_id), params={"limit": limit}), 422, "invalid")


@given(cursor=st.text(max_size=100), binary=st.binary(max_size=60))
def test_arbitrary_text_is_a_valid_position_or_is_refused(cursor: str, binary: bytes) -> None:
    from service.store.errors import BadCursor
    from service.store.paging import position_of

    for text in (cursor, base64.urlsafe_b64encode(binary).decode()):
        try:
            assert position_of(text, "job_1") >= 0
        except BadCursor:
            continue
