"""Jobs after their submission: lookup, lists, cancellation, retry, deletion, idempotency."""

import base64
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import func, insert, select, update

from service.signing import secret_of, written
from service.store.states import JobState, Reason, RunState
from service.store.tables import Job, Owner, Run, Worker, WorkerState
from tests.service.api.conftest import ADMIN, client, serving
from tests.service.api.test_submitting import SPEC, pointers, problem, rows

SESSION = {"kind": "session", "experiments": [{"name": "a"}, {"name": "b"}]}


def submit(api, **fields) -> str:
    response = api.post("/v1/jobs", json={**SPEC, **fields})
    assert response.status_code == 202, response.text
    return response.json()["id"]


def end(database, job: str, state: RunState, job_state: JobState) -> None:
    """Change the rows of a job to those of an ended job."""
    with database.transaction() as session:
        reason = Reason.INTERNAL if state is RunState.FAILED else None
        values = {"state": state, "failure_reason": reason, "seconds": 10.0}
        now = func.now()
        session.execute(
            update(Run).where(Run.job_id == job).values(finished_at=now, attempt=1, **values)
        )
        session.execute(update(Job).where(Job.id == job).values(state=job_state, finished_at=now))


def listed(api, **query) -> list[str]:
    response = api.get("/v1/jobs", params=query)
    assert response.status_code == 200, response.text
    return [job["name"] for job in response.json()["jobs"]]


class TestListing:
    def test_a_list_has_the_jobs_that_match_all_filters(self, api):
        submit(api, name="Alpha", labels={"team": "a", "run": "1"})
        submit(api, name="beta", labels={"team": "a", "run": "2"})
        submit(api, name="gamma 100%", labels={"team": "b=c"}, seed=9)
        cancelled = submit(api, name="delta", labels={})
        api.post(f"/v1/jobs/{cancelled}/cancel")
        assert listed(api, label="team=a") == ["beta", "Alpha"]
        assert listed(api, label=["team=a", "run=1"]) == ["Alpha"]
        assert listed(api, label="team=b=c") == ["gamma 100%"]
        assert listed(api, label=["team=a", "team=b=c"]) == [], "no job has both"
        assert listed(api, text="ALPH") == ["Alpha"]
        assert listed(api, text="0%") == ["gamma 100%"]
        assert listed(api, text="_") == []
        assert listed(api, state="cancelled") == ["delta"]
        assert listed(api, state=["cancelled", "queued"], text="ta") == ["delta", "beta"]
        assert listed(api, owner="admin", limit=1) == ["delta"]
        assert listed(api, owner="nobody") == []
        digest = api.get("/v1/jobs", params={"text": "gamma"}).json()["jobs"][0]["spec_hash"]
        assert listed(api, spec_hash=digest) == ["gamma 100%"]

    def test_a_list_can_be_limited_to_a_time_range(self, api):
        submit(api, name="now")
        now = datetime.now(UTC)
        before, after = now - timedelta(minutes=1), now + timedelta(minutes=1)
        assert listed(api, created_from=before.isoformat()) == ["now"]
        assert listed(api, created_from=after.isoformat()) == []
        assert listed(api, created_before=before.replace(tzinfo=None).isoformat()) == []
        assert listed(api, created_before=after.isoformat()) == ["now"]
        assert listed(api, created_from="0001-01-01T00:00:00+14:00") == ["now"]
        assert listed(api, created_before="9999-12-31T23:59:59-14:00") == ["now"]

    def test_a_malformed_filter_is_refused(self, api):
        wrong = ["state=done", "label=x", "label=a%00=b", "spec_hash=1", "colour=red", "text=%00"]
        for query in [*wrong, "created_from=yesterday", "owner=%00"]:
            document = problem(api.get(f"/v1/jobs?{query}"), 422, "invalid")
            assert document["errors"][0]["parameter"] == query.partition("=")[0]


class TestIdempotency:
    def test_a_hundred_equal_concurrent_submissions_create_one_job(self, api, database):
        def submit_once(_):
            headers = {"Idempotency-Key": "same"}
            return api.post("/v1/jobs", json=SPEC, headers=headers)

        with ThreadPoolExecutor(16) as pool:
            responses = list(pool.map(submit_once, range(100)))
        assert {response.status_code for response in responses} == {202}
        assert len({response.json()["id"] for response in responses}) == 1
        replayed = [r for r in responses if r.headers.get("idempotent-replayed") == "true"]
        assert len(replayed) == 99
        with database.transaction() as session:
            assert session.scalar(select(func.count()).select_from(Job)) == 1

    def test_another_body_with_the_same_key_is_refused(self, api, database):
        headers = {"Idempotency-Key": "same"}
        first = api.post("/v1/jobs", json=SPEC, headers=headers).json()["id"]
        before = rows(database)
        other = api.post("/v1/jobs", json={**SPEC, "seed": 4}, headers=headers)
        assert first in problem(other, 422, "idempotency-mismatch")["detail"]
        assert rows(database) == before

    def test_a_malformed_key_is_refused(self, api):
        for key in ["", "with space", "x" * 256]:
            problem(
                api.post("/v1/jobs", json=SPEC, headers={"Idempotency-Key": key}), 422, "invalid"
            )


class TestReuse:
    def test_a_succeeded_job_of_the_same_spec_is_returned_on_request(self, api, database):
        first = submit(api, name="first")
        again = {**SPEC, "name": "other name", "reuse": "if_finished"}
        second = api.post("/v1/jobs", json=again)
        assert second.status_code == 202
        assert second.json()["reused"] is False
        end(database, first, RunState.SUCCEEDED, JobState.SUCCEEDED)
        third = api.post("/v1/jobs", json=again)
        assert third.status_code == 200
        assert (third.json()["id"], third.json()["reused"]) == (first, True)
        assert api.post("/v1/jobs", json={**again, "seed": 99}).status_code == 202
        assert api.post("/v1/jobs", json=SPEC).status_code == 202


class TestPlanning:
    def test_a_spec_can_be_planned_without_submitting_it(self, api, database):
        response = api.post("/v1/jobs", params={"validate_only": True}, json=SESSION)
        assert response.status_code == 200
        document = response.json()
        assert [run["key"] for run in document["runs"]] == [
            "trial-1/trunk",
            "trial-1/a",
            "trial-1/b",
        ]
        assert [trunk["exists"] for trunk in document["trunks"]] == [False]
        assert document["parameters"] > document["prunable"] > 0
        assert document["estimate"]["basis"] == "nothing_measured"
        # 1,257 samples are 20 batches of 60; the trunk and both tickets train for 20 epochs
        assert document["estimate"]["samples"] == 3 * 20 * 20 * 60
        assert rows(database) == 0

    def test_the_estimate_does_not_include_a_finished_trunk(self, api, database):
        job = api.post("/v1/jobs", json=SESSION).json()["id"]
        end(database, job, RunState.SUCCEEDED, JobState.SUCCEEDED)
        document = api.post("/v1/jobs", params={"validate_only": True}, json=SESSION).json()
        assert [trunk["exists"] for trunk in document["trunks"]] == [True]
        assert document["estimate"]["samples"] == 2 * 20 * 20 * 60

    def test_a_wrong_spec_is_not_planned(self, api):
        response = api.post("/v1/jobs", params={"validate_only": True}, json={"kind": "modl"})
        problem(response, 422, "invalid")


class TestWaiting:
    def test_a_job_reports_that_no_worker_serves_its_pool(self, api):
        job = submit(api, pool="gpu")
        waiting = api.get(f"/v1/jobs/{job}").json()["waiting"]
        assert waiting["reason"] == "no_workers"
        assert "'gpu'" in waiting["detail"]
        assert waiting["estimated_start"] is None

    def test_a_job_reports_its_queue_position(self, api, database):
        done = submit(api)
        end(database, done, RunState.SUCCEEDED, JobState.SUCCEEDED)
        with database.transaction() as session:
            session.execute(insert(Worker).values(**WORKER))
        submit(api)
        submit(api)
        job = submit(api)
        urgent = submit(api, priority=100)
        asked = datetime.now(UTC)
        waiting = api.get(f"/v1/jobs/{job}").json()["waiting"]
        answered = datetime.now(UTC)
        assert (waiting["reason"], waiting["position"]) == ("workers_busy", 4)
        start = datetime.fromisoformat(waiting["estimated_start"])
        assert asked <= start - timedelta(seconds=4 * 10) <= answered
        assert api.get(f"/v1/jobs/{urgent}").json()["waiting"]["position"] == 1

    def test_owners_take_turns(self, api, database):
        with database.transaction() as session:
            session.execute(insert(Worker).values(**WORKER))
        jobs = [submit(api) for _ in range(5)]
        with database.transaction() as session:
            session.execute(insert(Owner).values(name="other"))
            session.execute(update(Run).where(Run.job_id.in_(jobs[:4])).values(owner="other"))
        assert api.get(f"/v1/jobs/{jobs[4]}").json()["waiting"]["position"] == 2

    def test_a_running_job_reports_its_progress_and_no_waiting_reason(self, api, database):
        job = api.post("/v1/jobs", json=SESSION).json()["id"]
        progress = {"level": 0, "levels": 0, "iteration": 30, "iterations": 60}
        with database.transaction() as session:
            session.execute(
                update(Run)
                .where(Run.job_id == job, Run.position == 0)
                .values(state=RunState.RUNNING, progress=progress)
            )
        found = api.get(f"/v1/jobs/{job}").json()
        assert found["waiting"] is None
        assert found["progress"] == pytest.approx(0.5 / 3)

    def test_a_job_reports_that_its_owner_is_at_the_quota(self, api, database):
        with database.transaction() as session:
            session.execute(insert(Worker).values(**WORKER))
        job = submit(api)
        with database.transaction() as session:
            session.execute(update(Owner).values(max_running=0))
        assert api.get(f"/v1/jobs/{job}").json()["waiting"]["reason"] == "quota"


WORKER = {
    "id": "w",
    "node": "n",
    "host": "h",
    "pid": 1,
    "pools": ["cpu"],
    "device": "cpu",
    "state": WorkerState.BUSY,
    "detail": {},
}


class TestCommands:
    def test_a_queued_job_is_cancelled_immediately(self, api):
        job = submit(api)
        response = api.post(f"/v1/jobs/{job}/cancel")
        assert response.status_code == 202
        assert response.json()["state"] == "cancelled"
        problem(api.post(f"/v1/jobs/{job}/cancel"), 409, "conflict")

    def test_a_retry_queues_a_failed_job_again(self, api, database):
        job = submit(api)
        problem(api.post(f"/v1/jobs/{job}/retry"), 409, "conflict")
        end(database, job, RunState.FAILED, JobState.FAILED)
        response = api.post(f"/v1/jobs/{job}/retry", params={"afresh": True})
        assert response.status_code == 202
        assert response.json()["state"] == "queued"

    def test_a_finished_job_is_deleted_with_all_its_rows(self, api, database):
        job = submit(api)
        problem(api.delete(f"/v1/jobs/{job}"), 409, "conflict")
        api.post(f"/v1/jobs/{job}/cancel")
        response = api.delete(f"/v1/jobs/{job}")
        assert (response.status_code, response.content) == (204, b"")
        problem(api.get(f"/v1/jobs/{job}"), 404, "not-found")
        assert rows(database) == 0

    def test_commands_are_in_the_audit_log(self, api):
        job = submit(api)
        api.post(f"/v1/jobs/{job}/cancel")
        api.post(f"/v1/jobs/{job}/retry")
        api.post(f"/v1/jobs/{job}/cancel")
        api.delete(f"/v1/jobs/{job}")
        entries = api.get("/v1/audit").json()["entries"]
        assert [entry["action"] for entry in reversed(entries)] == [
            "job.submit",
            "job.cancel",
            "job.retry",
            "job.cancel",
            "job.delete",
        ]
        assert {entry["subject"] for entry in entries} == {job}


class TestWebhooks:
    def test_a_webhook_is_stored_with_its_job(self, settings):
        configured = settings.model_copy(update={"signing_secret": SecretStr("s" * 16)})
        with serving(configured) as address, client(address, ADMIN) as api:
            job = submit(api, webhook="https://example.org/done")
            webhook = api.get(f"/v1/jobs/{job}").json()["webhook"]
            assert webhook["url"] == "https://example.org/done"
            assert (webhook["attempts"], webhook["delivered_at"]) == (0, None)
            for url in ["ftp://example.org", "nowhere", "https://a:b@example.org", 7]:
                response = api.post("/v1/jobs", json={**SPEC, "webhook": url})
                assert pointers(problem(response, 422, "invalid")) == {"/webhook"}

    def test_each_owner_gets_the_secret_of_its_own_webhooks(self, settings):
        configured = settings.model_copy(update={"signing_secret": SecretStr("s" * 16)})
        with serving(configured) as address, client(address, ADMIN) as api:
            key = api.post("/v1/keys", json={"owner": "ada", "role": "member"}).json()["key"]
            with client(address, key) as ada:
                answer = ada.get("/v1/webhook-secret").json()
            secret = secret_of(configured, "ada")
            assert secret is not None
            assert answer == {"owner": "ada", "secret": written(secret)}
            assert base64.b64decode(answer["secret"].removeprefix("whsec_")) == secret
            assert api.get("/v1/webhook-secret").json()["secret"] != answer["secret"]

    def test_webhooks_are_refused_without_a_signing_secret(self, api):
        response = api.post("/v1/jobs", json={**SPEC, "webhook": "https://example.org"})
        document = problem(response, 422, "invalid")
        assert "LTH_SIGNING_SECRET" in document["errors"][0]["detail"]
        problem(api.get("/v1/webhook-secret"), 404, "not-found")
