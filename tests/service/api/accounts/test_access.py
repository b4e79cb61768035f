"""Access: every endpoint, with every kind of key."""

from dataclasses import dataclass

import httpx
import pytest
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from lth.client.tokens import new_token
from service.api.app import create_app
from service.settings import Settings
from service.store.accounts import keys
from service.store.tables import Role
from tests.service.api.conftest import client
from tests.service.api.test_submitting import SPEC, problem

OPEN = {"GET /healthz", "GET /readyz"}
ADMINS = {
    "POST /v1/keys",
    "GET /v1/keys",
    "DELETE /v1/keys/{key_id}",
    "PUT /v1/owners/{name}/quota",
    "GET /v1/audit",
}
MEMBERS = {"GET /v1/webhook-secret"}
"""Operations that change nothing, but are forbidden for readers."""
CHANGES = {"POST", "PUT", "PATCH", "DELETE"}


def flattened(routes: list[BaseRoute], prefix: str = "") -> list[tuple[str, str]]:
    """Method and path of every route of an application, including nested routers."""
    found = []
    for route in routes:
        if isinstance(route, APIRoute):
            found += [(method, prefix + route.path) for method in sorted(route.methods)]
        else:
            context = route.include_context
            found += flattened(route.original_router.routes, prefix + context.prefix)
    return found


OPERATIONS = [f"{m} {path}" for m, path in flattened(create_app(Settings()).routes)]


@dataclass
class World:
    """An API, a key of each kind, and a job of a member."""

    address: str
    tokens: dict[str, str]
    job: str

    def ask(self, caller: str, operation: str) -> httpx.Response:
        method, path = operation.split(" ")
        for name, value in {"job_id": self.job, "key_id": "key_0", "name:path": "x"}.items():
            path = path.replace(f"{{{name}}}", value)
        path = path.replace("{name}", "x").replace("{run:path}", "x").replace("{dataset_id}", "x")
        with client(self.address, self.tokens[caller]) as api:
            if caller == "nobody":
                del api.headers["Authorization"]
            # The event stream of an unfinished job has no end, so it is not read.
            with api.stream(method, path) as response:
                streamed = "text/event-stream" in response.headers.get("content-type", "")
                if method == "HEAD" or not streamed:
                    response.read()
                return response


@pytest.fixture
def world(address, database) -> World:
    tokens = {"nobody": "", "stranger": new_token()}
    with database.transaction() as session:
        for caller, owner, role in [
            ("reader", "ada", Role.READER),
            ("member", "ada", Role.MEMBER),
            ("other", "bob", Role.MEMBER),
            ("admin", "root", Role.ADMIN),
        ]:
            tokens[caller] = new_token()
            keys.create(session, tokens[caller], owner=owner, role=role, name=caller)
    with client(address, tokens["member"]) as api:
        job = api.post("/v1/jobs", json=SPEC).json()["id"]
    return World(address, tokens, job)


def test_the_matrix_covers_all_routes():
    assert len(OPERATIONS) >= 14
    assert set(OPERATIONS) >= OPEN | ADMINS | MEMBERS


@pytest.mark.parametrize("caller", ["nobody", "stranger"])
def test_only_health_checks_answer_without_a_valid_key(world, caller):
    for operation in OPERATIONS:
        if operation not in OPEN:
            problem(world.ask(caller, operation), 401, "unauthenticated")


def test_health_checks_need_no_key(world):
    for operation in OPEN:
        assert world.ask("nobody", operation).status_code == 200


def test_readers_can_read_and_change_nothing(world):
    for operation in sorted(set(OPERATIONS) - OPEN):
        response = world.ask("reader", operation)
        if operation in ADMINS | MEMBERS or operation.split(" ")[0] in CHANGES:
            problem(response, 403, "forbidden")
        else:
            assert response.status_code in (200, 404, 422), operation


def test_members_can_do_everything_except_administration(world):
    for operation in sorted(set(OPERATIONS) - OPEN):
        response = world.ask("member", operation)
        assert (response.status_code == 403) == (operation in ADMINS), operation


def test_another_owner_cannot_see_that_the_job_exists(world):
    asked = [operation for operation in OPERATIONS if "{job_id}" in operation]
    assert len(asked) >= 8
    for operation in asked:
        document = problem(world.ask("other", operation), 404, "not-found")
        assert document["detail"] == f"there is no job '{world.job}'"


def test_the_list_of_another_owner_does_not_have_the_job(world):
    with client(world.address, world.tokens["other"]) as api:
        assert api.get("/v1/jobs").json() == {"jobs": [], "cursor": None}


def test_administrators_can_do_everything(world):
    for operation in sorted(set(OPERATIONS) - OPEN, key=lambda o: (o.startswith("DELETE"), o)):
        response = world.ask("admin", operation)
        assert response.status_code not in (401, 403), operation
    with client(world.address, world.tokens["admin"]) as api:
        listed = api.get("/v1/jobs", params={"owner": "ada"}).json()["jobs"]
    assert {job["owner"] for job in listed} <= {"ada"}
