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
"""What readers may not even look at."""
CHANGES = {"POST", "PUT", "PATCH", "DELETE"}


def flattened(routes: list[BaseRoute], prefix: str = "") -> list[tuple[str, str]]:
    """Method and path of every route of an application, routers within routers included."""
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

    def ask(self, who: str, operation: str) -> httpx.Response:
        method, path = operation.split(" ")
        for name, value in {"job_id": self.job, "key_id": "key_0", "name:path": "x"}.items():
            path = path.replace(f"{{{name}}}", value)
        path = path.replace("{name}", "x").replace("{run:path}", "x").replace("{dataset_id}", "x")
        with client(self.address, self.tokens[who]) as api:
            if who == "nobody":
                del api.headers["Authorization"]
            # The stream of an unfinished job has no end: its first bytes are enough.
            with api.stream(method, path) as response:
                streamed = "text/event-stream" in response.headers.get("content-type", "")
                if method == "HEAD" or not streamed:
                    response.read()
                return response


@pytest.fixture
def world(address, database) -> World:
    tokens = {"nobody": "", "stranger": new_token()}
    with database.transaction() as session:
        for who, owner, role in [
            ("reader", "ada", Role.READER),
            ("member", "ada", Role.MEMBER),
            ("other", "bob", Role.MEMBER),
            ("admin", "root", Role.ADMIN),
        ]:
            tokens[who] = new_token()
            keys.create(session, tokens[who], owner=owner, role=role, name=who)
    with client(address, tokens["member"]) as api:
        job = api.post("/v1/jobs", json=SPEC).json()["id"]
    return World(address, tokens, job)


def test_the_matrix_is_of_all_routes():
    assert len(OPERATIONS) >= 14
    assert set(OPERATIONS) >= OPEN | ADMINS | MEMBERS


@pytest.mark.parametrize("who", ["nobody", "stranger"])
def test_without_a_valid_key_only_health_answers(world, who):
    for operation in OPERATIONS:
        if operation not in OPEN:
            problem(world.ask(who, operation), 401, "unauthenticated")


def test_health_needs_no_key(world):
    for operation in OPEN:
        assert world.ask("nobody", operation).status_code == 200


def test_readers_look_and_change_nothing(world):
    for operation in sorted(set(OPERATIONS) - OPEN):
        response = world.ask("reader", operation)
        if operation in ADMINS | MEMBERS or operation.split(" ")[0] in CHANGES:
            problem(response, 403, "forbidden")
        else:
            assert response.status_code in (200, 404, 422), operation


def test_members_do_all_but_administration(world):
    for operation in sorted(set(OPERATIONS) - OPEN):
        response = world.ask("member", operation)
        assert (response.status_code == 403) == (operation in ADMINS), operation


def test_another_owner_cannot_tell_that_the_job_exists(world):
    asked = [operation for operation in OPERATIONS if "{job_id}" in operation]
    assert len(asked) >= 8
    for operation in asked:
        document = problem(world.ask("other", operation), 404, "not-found")
        assert document["detail"] == f"there is no job '{world.job}'"


def test_another_owner_lists_nothing_of_it(world):
    with client(world.address, world.tokens["other"]) as api:
        assert api.get("/v1/jobs").json() == {"jobs": [], "cursor": None}


def test_administrators_see_everything(world):
    for operation in sorted(set(OPERATIONS) - OPEN, key=lambda o: (o.startswith("DELETE"), o)):
        response = world.ask("admin", operation)
        assert response.status_code not in (401, 403), operation
    with client(world.address, world.tokens["admin"]) as api:
        listed = api.get("/v1/jobs", params={"owner": "ada"}).json()["jobs"]
    assert {job["owner"] for job in listed} <= {"ada"}
