"""Access: every endpoint, with every kind of key, to private and shared jobs and data sets."""

from dataclasses import dataclass

import httpx
import pytest
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from lth.client.tokens import new_token
from service.api.app import create_app
from service.settings import Settings
from service.store.accounts import keys, teams
from service.store.accounts.teams import TeamQuota
from service.store.tables import Role
from tests.service.api.conftest import client
from tests.service.api.test_datasets import good, npz, upload
from tests.service.api.test_submitting import SPEC, problem

OPEN = {"GET /healthz", "GET /readyz"}
ADMINS = {
    "POST /v1/keys",
    "GET /v1/keys",
    "DELETE /v1/keys/{key_id}",
    "PUT /v1/owners/{name}/quota",
    "PUT /v1/teams/{team}",
    "DELETE /v1/teams/{team}",
    "PUT /v1/teams/{team}/members/{name}",
    "DELETE /v1/teams/{team}/members/{name}",
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


OF_JOBS = [operation for operation in OPERATIONS if "{job_id}" in operation]
OF_DATASETS = [operation for operation in OPERATIONS if "{dataset_id}" in operation]


@dataclass
class World:
    """An API, a key of each kind, and jobs and data sets of ada: private ones and shared ones.

    ada and bob are in the team 'vision', cyd is in the team 'speech'.
    """

    address: str
    tokens: dict[str, str]
    jobs: dict[str, str]
    datasets: dict[str, str]

    @property
    def job(self) -> str:
        return self.jobs["private"]

    def ask(self, caller: str, operation: str, which: str = "private") -> httpx.Response:
        method, path = operation.split(" ")
        for name, value in {
            "job_id": self.jobs[which],
            "dataset_id": self.datasets[which],
            "key_id": "key_0",
            "team": "x",
            "name": "x",
            "name:path": "x",
            "run:path": "x",
        }.items():
            path = path.replace(f"{{{name}}}", value)
        with client(self.address, self.tokens[caller]) as api:
            if caller == "nobody":
                del api.headers["Authorization"]
            # The event stream of an unfinished job has no end, so it is not read.
            body = {"team": None} if method == "PATCH" else None
            with api.stream(method, path, json=body) as response:
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
            ("colleague", "bob", Role.MEMBER),
            ("colleague's reader", "bob", Role.READER),
            ("other", "cyd", Role.MEMBER),
            ("other's reader", "cyd", Role.READER),
            ("without a team", "dan", Role.MEMBER),
            ("admin", "root", Role.ADMIN),
        ]:
            tokens[caller] = new_token()
            keys.create(session, tokens[caller], owner=owner, role=role, name=caller)
        for team, owner in [("vision", "ada"), ("vision", "bob"), ("speech", "cyd")]:
            teams.put(session, team, TeamQuota())
            teams.add_member(session, team, owner)
    jobs, datasets = {}, {}
    with client(address, tokens["member"]) as api:
        for which, team in [("private", None), ("shared", "vision")]:
            jobs[which] = api.post("/v1/jobs", json={**SPEC, "team": team}).json()["id"]
            datasets[which] = upload(api, npz(**good()), team=team or "").json()["id"]
    return World(address, tokens, jobs, datasets)


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


HIDDEN = [
    (caller, "private") for caller in ("colleague", "other", "without a team")
] + [(caller, "shared") for caller in ("other", "without a team")]  # fmt: skip


@pytest.mark.parametrize(("caller", "which"), HIDDEN)
def test_who_may_not_see_a_job_or_a_data_set_does_not_learn_that_it_exists(world, caller, which):
    assert len(OF_JOBS) >= 8
    assert len(OF_DATASETS) >= 3
    for operation in OF_JOBS:
        document = problem(world.ask(caller, operation, which), 404, "not-found")
        assert document["detail"] == f"there is no job '{world.jobs[which]}'", operation
    for operation in OF_DATASETS:
        document = problem(world.ask(caller, operation, which), 404, "not-found")
        assert document["detail"] == f"there is no data set '{world.datasets[which]}'", operation


@pytest.mark.parametrize("caller", ["colleague's reader", "other's reader"])
def test_readers_of_others_see_private_ones_no_more_than_members(world, caller):
    for operation in OF_JOBS + OF_DATASETS:
        slug = "forbidden" if operation.split(" ")[0] in CHANGES else "not-found"
        problem(world.ask(caller, operation), 403 if slug == "forbidden" else 404, slug)


@pytest.mark.parametrize("caller", ["colleague", "colleague's reader"])
def test_the_team_reads_what_is_shared_and_changes_nothing(world, caller):
    for operation in OF_JOBS + OF_DATASETS:
        response = world.ask(caller, operation, "shared")
        if operation.split(" ")[0] in CHANGES:
            detail = problem(response, 403, "forbidden")["detail"]
            assert ("belongs to 'ada'" in detail) == (caller == "colleague"), operation
        else:
            owners_answer = world.ask("member", operation, "shared")
            assert response.status_code == owners_answer.status_code, operation
            if response.is_stream_consumed:
                assert "there is no job" not in response.text, operation


@pytest.mark.parametrize(
    ("caller", "sees"),
    [
        ("reader", {"private", "shared"}),
        ("member", {"private", "shared"}),
        ("colleague", {"shared"}),
        ("colleague's reader", {"shared"}),
        ("other", set()),
        ("other's reader", set()),
        ("without a team", set()),
        ("admin", {"private", "shared"}),
    ],
)
def test_lists_have_what_the_caller_may_see(world, caller, sees):
    with client(world.address, world.tokens[caller]) as api:
        jobs = {job["id"] for job in api.get("/v1/jobs").json()["jobs"]}
        by_team = {job["id"] for job in api.get("/v1/jobs?team=vision").json()["jobs"]}
        of_ada = {job["id"] for job in api.get("/v1/jobs?owner=ada").json()["jobs"]}
        queued = {job["id"] for job in api.get("/v1/queue").json()["jobs"]}
        datasets = {found["id"] for found in api.get("/v1/datasets").json()["datasets"]}
    assert jobs == of_ada == queued == {world.jobs[which] for which in sees}
    assert by_team == {world.jobs[which] for which in sees & {"shared"}}
    assert datasets >= {world.datasets[which] for which in sees}
    assert not datasets & {world.datasets[which] for which in {"private", "shared"} - sees}


def test_administrators_can_do_everything(world):
    for operation in sorted(set(OPERATIONS) - OPEN, key=lambda o: (o.startswith("DELETE"), o)):
        response = world.ask("admin", operation)
        assert response.status_code not in (401, 403), operation
    with client(world.address, world.tokens["admin"]) as api:
        listed = api.get("/v1/jobs", params={"owner": "ada"}).json()["jobs"]
    assert {job["owner"] for job in listed} <= {"ada"}
