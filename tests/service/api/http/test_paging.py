"""All long lists are paged in the same way."""

from collections.abc import Callable

import httpx
import pytest

from tests.service.api.accounts.test_keys import NEW
from tests.service.api.test_datasets import good, npz, upload
from tests.service.api.test_submitting import SPEC, problem

MAKE: dict[str, Callable[[httpx.Client], object]] = {
    "jobs": lambda api: api.post("/v1/jobs", json=SPEC),
    "datasets": lambda api: upload(api, npz(**good())),
    "keys": lambda api: api.post("/v1/keys", json=NEW),
    "audit": lambda api: api.post("/v1/keys", json=NEW),
}


@pytest.mark.parametrize("name", MAKE)
def test_pages_do_not_shift_while_rows_are_added(api, name):
    def page(**query) -> dict:
        response = api.get(f"/v1/{name}", params=query)
        assert response.status_code == 200, response.text
        return response.json()

    items = "entries" if name == "audit" else name
    for _ in range(4):
        MAKE[name](api)
    whole = page()
    assert whole["cursor"] is None
    assert len(whole[items]) >= 4
    first = page(limit=2)
    assert len(first[items]) == 2
    MAKE[name](api)
    found, cursor = first[items], first["cursor"]
    while cursor is not None:
        following = page(limit=2, cursor=cursor)
        found, cursor = found + following[items], following["cursor"]
    assert found == whole[items]


def test_refuses_a_cursor_of_another_list(api):
    for _ in range(2):
        MAKE["jobs"](api)
    cursor = api.get("/v1/jobs", params={"limit": 1}).json()["cursor"]
    for name in set(MAKE) - {"jobs"}:
        document = problem(api.get(f"/v1/{name}", params={"cursor": cursor}), 422, "invalid")
        assert f"'{cursor[:40]}" in document["detail"]
        assert "is no cursor of this list" in document["detail"]
