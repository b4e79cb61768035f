"""Teams over HTTP: sharing, reuse, administration, and the names in the queue."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest
from httpx_sse import connect_sse

from lth.client.tokens import new_token
from service.settings import Settings
from service.store.accounts import keys
from service.store.database import Database
from service.store.jobs.events import EventKind
from service.store.runs import claims
from service.store.tables import Role, Webhook
from service.store.tables.workers import WorkerState
from service.store.workers.workers import WorkerFacts, register, report
from tests.service.api.conftest import ADMIN, client, serving
from tests.service.api.finished import finish_runs, submitted
from tests.service.api.test_datasets import good, npz, upload
from tests.service.api.test_events import append_events
from tests.service.api.test_submitting import SPEC, problem

People = Callable[[str], httpx.Client]


def key_of(database: Database, owner: str, role: Role = Role.MEMBER) -> str:
    token = new_token()
    with database.transaction() as session:
        keys.create(session, token, owner=owner, role=role, name="")
    return token


@pytest.fixture
def people(address: str, database: Database) -> Iterator[People]:
    """Clients of ann and bob (team vision), of cyd (team speech), and of others."""
    with ExitStack() as opened, client(address, ADMIN) as admin:

        def of(owner: str) -> httpx.Client:
            return opened.enter_context(client(address, key_of(database, owner)))

        for owner, team in [("ann", "vision"), ("bob", "vision"), ("cyd", "speech")]:
            of(owner)
            assert admin.put(f"/v1/teams/{team}", json={}).status_code == 200
            assert admin.put(f"/v1/teams/{team}/members/{owner}").status_code == 200
        yield of


def test_a_team_reads_a_shared_job_and_no_longer_after_it_is_private_again(people):
    ann, bob, cyd = people("ann"), people("bob"), people("cyd")
    job = ann.post("/v1/jobs", json=SPEC).json()
    assert job["team"] is None
    path = f"/v1/jobs/{job['id']}"
    assert bob.get(path).status_code == 404

    assert ann.patch(path, json={"team": "vision"}).json()["team"] == "vision"
    assert bob.get(path).json()["owner"] == "ann"
    assert bob.get(f"{path}/runs").json()["runs"]
    assert cyd.get(path).status_code == 404

    assert ann.patch(path, json={"team": None}).json()["team"] is None
    problem(bob.get(path), 404, "not-found")


def test_the_address_of_a_webhook_is_shown_to_its_owner_alone(people, api, database):
    ann, bob = people("ann"), people("bob")
    path = f"/v1/jobs/{submitted(ann, {'team': 'vision'})}"
    url = "https://example.org/hook?token=secret"
    with database.transaction() as session:
        session.add(Webhook(job_id=path.rpartition("/")[2], url=url))
    assert ann.get(path).json()["webhook"]["url"] == api.get(path).json()["webhook"]["url"] == url
    assert bob.get(path).json()["webhook"] is None
    assert "secret" not in bob.get(path).text


def test_labels_are_replaced_and_the_rest_stays(people):
    ann = people("ann")
    job = ann.post("/v1/jobs", json={**SPEC, "team": "vision"}).json()
    changed = ann.patch(f"/v1/jobs/{job['id']}", json={"labels": {"paper": "icml"}}).json()
    assert changed == {name: job[name] for name in changed} | {"labels": {"paper": "icml"}}
    assert [found["id"] for found in ann.get("/v1/jobs?label=paper=icml").json()["jobs"]] == [
        job["id"]
    ]
    assert ann.get("/v1/jobs?label=team=a").json()["jobs"] == []


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"team": "speech"}, 422),
        ({"team": "unknown"}, 422),
        ({"team": 3}, 422),
        ({"team": "UPPER"}, 422),
        ({"labels": {"a b": "c"}}, 422),
        ({"labels": None}, 422),
        ({"owner": "bob"}, 422),
        ([], 422),
    ],
)
def test_a_wrong_change_is_refused_and_changes_nothing(people, change, status):
    ann = people("ann")
    path = f"/v1/jobs/{ann.post('/v1/jobs', json=SPEC).json()['id']}"
    before = ann.get(path).json()
    document = problem(ann.patch(path, json=change), status, "invalid")
    assert document["errors"]
    assert ann.get(path).json() == before


def test_a_submission_names_a_team_of_its_owner(people):
    ann = people("ann")
    assert ann.post("/v1/jobs", json={**SPEC, "team": "vision"}).json()["team"] == "vision"
    document = problem(ann.post("/v1/jobs", json={**SPEC, "team": "speech"}), 422, "invalid")
    (error,) = document["errors"]
    assert error["pointer"] == "/team"
    assert error["detail"] == "'ann' is no member of this team"
    assert error["expected"] == "'vision' or null"


def test_a_repeated_submission_gets_its_job_after_its_owner_left_the_team(people, api):
    ann = people("ann")
    send = {"json": {**SPEC, "team": "vision"}, "headers": {"Idempotency-Key": "once"}}
    first = ann.post("/v1/jobs", **send).json()
    api.delete("/v1/teams/vision/members/ann")
    again = ann.post("/v1/jobs", **send)
    assert (again.status_code, again.json()["id"]) == (202, first["id"])
    problem(ann.post("/v1/jobs", json={**SPEC, "team": "vision"}), 422, "invalid")


@pytest.mark.parametrize("visibility", ["private", "team"])
def test_the_service_decides_who_sees_a_job_whose_request_names_no_team(
    settings, database, visibility
):
    here = settings.model_copy(update={"default_visibility": visibility})
    with serving(here) as address, client(address, ADMIN) as admin:
        tokens = {owner: key_of(database, owner) for owner in ("ann", "zoe")}
        for team in ("vision", "speech"):
            admin.put(f"/v1/teams/{team}", json={})
        admin.put("/v1/teams/vision/members/ann")
        admin.put("/v1/teams/speech/members/ann?home=true")
        with client(address, tokens["ann"]) as ann, client(address, tokens["zoe"]) as zoe:
            usual = {"private": None, "team": "speech"}[visibility]
            assert ann.post("/v1/jobs", json=SPEC).json()["team"] == usual
            assert ann.post("/v1/jobs", json={**SPEC, "team": "vision"}).json()["team"] == "vision"
            assert ann.post("/v1/jobs", json={**SPEC, "team": None}).json()["team"] is None
            assert zoe.post("/v1/jobs", json=SPEC).json()["team"] is None
            assert upload(ann, npz(**good())).json()["team"] == usual
            assert upload(ann, npz(**good()), team="").json()["team"] is None


def test_a_colleague_trains_on_a_shared_data_set_and_cannot_change_it(people):
    ann, bob, cyd = people("ann"), people("bob"), people("cyd")
    mine = upload(ann, npz(**good()), team="vision").json()
    spec = {
        "kind": "model",
        "dataset": {"kind": "uploaded", "id": mine["id"]},
        "training": {"batch_size": 10},
    }
    path = f"/v1/datasets/{mine['id']}"

    job = bob.post("/v1/jobs", json=spec)
    assert job.status_code == 202, job.text
    problem(cyd.post("/v1/jobs", json=spec), 422, "invalid")
    problem(bob.delete(path), 403, "forbidden")
    problem(bob.patch(path, json={"team": None}), 403, "forbidden")
    used = problem(ann.delete(path), 409, "conflict")
    assert "a job of 'bob', who can delete the job" in used["detail"]
    assert job.json()["id"] not in used["detail"]

    assert ann.patch(path, json={"team": None}).json()["team"] is None
    problem(bob.post("/v1/jobs", json=spec), 422, "invalid")
    assert bob.get(f"/v1/jobs/{job.json()['id']}").json()["state"] == "queued"
    problem(upload(ann, npz(**good()), team="speech"), 422, "invalid")


def test_a_finished_job_of_the_team_is_reused(people, database, settings):
    ann, bob, cyd = people("ann"), people("bob"), people("cyd")
    spec = {"kind": "model", "seed": 11}
    job = submitted(ann, spec)
    finish_runs(database, settings)
    ask = {**spec, "reuse": "if_finished"}

    assert not bob.post("/v1/jobs", json=ask).json()["reused"]
    ann.patch(f"/v1/jobs/{job}", json={"team": "vision"})
    answer = bob.post("/v1/jobs", json=ask).json()
    assert (answer["reused"], answer["id"]) == (True, job)
    assert not cyd.post("/v1/jobs", json=ask).json()["reused"]


def test_a_stream_ends_when_its_job_is_no_longer_visible(people, database):
    ann, bob = people("ann"), people("bob")
    job = ann.post("/v1/jobs", json={**SPEC, "team": "vision"}).json()["id"]
    with connect_sse(bob, "GET", f"/v1/jobs/{job}/events") as source:
        stream = source.iter_sse()
        next(stream)
        append_events(database, job, EventKind.PROGRESS)
        assert next(stream).event == "progress"
        ann.patch(f"/v1/jobs/{job}", json={"team": None})
        append_events(database, job, EventKind.PROGRESS)
        assert next(stream, None) is None


def test_a_removed_member_sees_nothing_of_the_team_at_once(people, api):
    ann, bob = people("ann"), people("bob")
    job = ann.post("/v1/jobs", json={**SPEC, "team": "vision"}).json()["id"]
    assert bob.get(f"/v1/jobs/{job}").status_code == 200
    team = api.delete("/v1/teams/vision/members/bob").json()
    assert [member["owner"] for member in team["members"]] == ["ann"]
    problem(bob.get(f"/v1/jobs/{job}"), 404, "not-found")
    assert bob.get("/v1/teams").json() == {"teams": []}


def test_members_see_their_teams_and_administrators_all(people, api):
    ann = people("ann")
    assert [team["name"] for team in ann.get("/v1/teams").json()["teams"]] == ["vision"]
    assert [team["name"] for team in api.get("/v1/teams").json()["teams"]] == ["speech", "vision"]
    (vision,) = ann.get("/v1/teams").json()["teams"]
    assert vision["members"] == [
        {"owner": "ann", "home": True},
        {"owner": "bob", "home": True},
    ]


def test_a_team_is_created_changed_and_deleted(api):
    quota = {"weight": 2.5, "max_running": 3, "max_queued": None, "max_stored_bytes": 10}
    assert api.put("/v1/teams/vision", json=quota).json()["quota"] == quota
    assert set(api.put("/v1/teams/vision", json={}).json()["quota"].values()) == {None}
    problem(api.put("/v1/teams/vision", json={"weight": 0}), 422, "invalid")
    problem(api.put("/v1/teams/Vision", json={}), 422, "invalid")
    problem(api.put("/v1/teams/vision/members/nobody"), 404, "not-found")
    assert api.delete("/v1/teams/vision").status_code == 204
    problem(api.delete("/v1/teams/vision"), 404, "not-found")
    entries = [entry["action"] for entry in api.get("/v1/audit").json()["entries"]]
    assert entries[:3] == ["team.delete", "team.put", "team.put"]


def test_owners_of_other_teams_are_a_load_without_names(
    people, api, database: Database, settings: Settings
):
    ann, bob, cyd = people("ann"), people("bob"), people("cyd")
    shared = submitted(ann, {"team": "vision", "name": "shared"})
    private = submitted(ann, {"name": "private"})
    for seed in (1, 2):
        submitted(cyd, {"name": "secret", "seed": seed})
    with database.transaction() as session:
        worker = WorkerFacts(
            id="h/0-0/a", node="h/0-0", host="h", pid=1, pools=["cpu"], device="cpu"
        )
        register(session, worker)
        claimed = claims.claim(session, worker.id, ["cpu"], settings)
        assert claimed is not None
        assert claimed.lease.job_id == shared
        report(session, worker.id, WorkerState.BUSY, run_id=claimed.lease.run_id)

    def load(of: httpx.Client) -> list[tuple[str | None, int, int]]:
        (pool,) = of.get("/v1/queue").json()["pools"]
        assert (pool["pool"], pool["workers"], pool["idle"]) == ("cpu", 1, 0)
        return [(found["owner"], found["running"], found["queued"]) for found in pool["loads"]]

    def at_work(of: httpx.Client) -> tuple[str | None, str | None, str | None]:
        (found,) = of.get("/v1/workers").json()["workers"]
        return found["owner"], found["job_id"], found["run"]

    assert load(ann) == load(bob) == [("ann", 1, 1), (None, 0, 2)]
    assert load(cyd) == [("cyd", 0, 2), (None, 1, 1)]
    assert load(api) == [("ann", 1, 1), ("cyd", 0, 2)]
    assert at_work(ann) == at_work(bob) == at_work(api) == ("ann", shared, "trial-1/ticket")
    assert at_work(cyd) == (None, None, None)

    assert [job["id"] for job in bob.get("/v1/queue").json()["jobs"]] == [shared]
    assert [job["id"] for job in ann.get("/v1/queue").json()["jobs"]] == [shared, private]
    assert "secret" not in bob.get("/v1/queue").text

    ann.patch(f"/v1/jobs/{shared}", json={"team": None})
    assert at_work(bob) == ("ann", None, None)
