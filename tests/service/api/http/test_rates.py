"""Rate limits apply to one owner at a time."""

import asyncio

import pytest
from pydantic import SecretStr

from service.api.http.rates import Rates
from service.settings import Settings
from tests.service.api.conftest import ADMIN, client, serving
from tests.service.api.test_submitting import problem

YEAR = 360 * 24 * 3600
"""The seconds of a window that does not end during a test."""


@pytest.fixture
def patient(monkeypatch):
    """Wait for Redis until the request is counted exactly once."""
    monkeypatch.setattr("service.api.http.rates._ANSWER_SECONDS", 60.0)


@pytest.fixture
def limited(patient, database_url, broker_url, object_store_url):
    settings = Settings(
        database_url=database_url,
        broker_url=broker_url,
        object_store_url=object_store_url,
        admin_key=SecretStr(ADMIN),
        rate_limit="5/year",
    )
    with serving(settings) as address:
        yield address


def test_too_many_requests_are_refused_with_the_time_to_wait(limited):
    with client(limited, ADMIN) as api:
        token = api.post("/v1/keys", json={"owner": "ada", "role": "member"}).json()["key"]
        for left in (3, 2, 1, 0):
            response = api.get("/v1/jobs")
            assert response.status_code == 200
            assert response.headers["ratelimit"].startswith(f'"owner";r={left};t=')
            assert response.headers["ratelimit-policy"] == f'"owner";q=5;w={YEAR}'
        refused = api.get("/v1/jobs")
        problem(refused, 429, "too-many-requests")
        assert 0 < int(refused.headers["retry-after"]) <= YEAR
        assert api.get("/healthz").status_code == 200
    with client(limited, token) as ada:
        assert ada.get("/v1/jobs").status_code == 200


def test_requests_reserved_in_advance_are_reported_when_they_are_used(patient, broker_url):
    async def remaining(rates: Rates) -> int:
        taken = await rates.take("ada")
        assert taken is not None
        return 4_000 - taken.count

    async def both() -> list[int]:
        one, other = (Rates(broker_url, "4000/year") for _ in range(2))
        return [await remaining(rates) for rates in (one, one, other, one, one, one, other)]

    # Each process reserves four requests at once, so the second starts after the four of the first.
    assert asyncio.run(both()) == [3999, 3998, 3995, 3997, 3996, 3991, 3994]


def test_requests_are_accepted_without_redis(database_url, object_store_url):
    settings = Settings(
        database_url=database_url,
        broker_url="redis://127.0.0.1:1/0",
        object_store_url=object_store_url,
        admin_key=SecretStr(ADMIN),
        rate_limit="1/minute",
    )
    with serving(settings) as address, client(address, ADMIN) as api:
        for _ in range(3):
            assert api.post("/v1/jobs", json={"kind": "model"}).status_code == 202
