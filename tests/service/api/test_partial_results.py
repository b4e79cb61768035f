"""A run that goes on shows the levels that it has finished."""

import csv
from io import BytesIO, StringIO

import httpx
import numpy as np
import pytest
from sqlalchemy import func, select

from service.settings import Settings
from service.store.database import Database
from service.store.errors import LeaseLost
from service.store.jobs import commands, jobs
from service.store.runs import finishing
from service.store.tables import Artifact, BlobDoubt, Owner, Result, Run
from tests.service.api.finished import (
    ROBUST,
    finish_runs,
    publish_again,
    publish_levels,
    submitted,
    succeed,
)


def stored(database: Database) -> int:
    with database.transaction() as session:
        return session.scalars(select(Owner.stored_bytes).where(Owner.name == "admin")).one()


def counted(database: Database) -> int:
    """The bytes of all files, counted anew."""
    with database.transaction() as session:
        files = session.scalar(select(func.coalesce(func.sum(Artifact.size), 0)))
        checkpoints = session.scalar(
            select(func.count()).select_from(Run).where(Run.checkpoint_digest.is_not(None))
        )
        assert files is not None
        assert checkpoints is not None
        return int(files) + checkpoints * len("checkpoint after 1")


def best_of(api: httpx.Client, job: str) -> float:
    return max(
        level["early_stop"]["test"]["accuracy"]
        for one in api.get(f"/v1/jobs/{job}/results").json()["results"]
        for level in one["result"]["levels"]
    )


def names(api: httpx.Client, job: str) -> list[str]:
    return [file["name"] for file in api.get(f"/v1/jobs/{job}/artifacts").json()["artifacts"]]


def test_results_tables_files_and_plots_show_the_finished_levels(
    api: httpx.Client, database: Database, settings: Settings
) -> None:
    job = submitted(api)
    assert api.get(f"/v1/jobs/{job}").json()["best_accuracy"] is None
    claimed = publish_levels(database, settings, 1)
    assert api.get(f"/v1/jobs/{job}").json()["best_accuracy"] == best_of(api, job)

    (one,) = api.get(f"/v1/jobs/{job}/results").json()["results"]
    assert one["result"]["partial"] is True
    assert [level["level"] for level in one["result"]["levels"]] == [0]
    assert "trial-1/ticket/weights/level-0.npz" in names(api, job)
    assert "trial-1/ticket/weights/level-1.npz" not in names(api, job)
    rows = list(
        csv.DictReader(StringIO(api.get(f"/v1/jobs/{job}/artifacts/report/levels.csv").text))
    )
    assert [(row["level"], row["partial"]) for row in rows] == [("0", "True")]
    first = api.get(f"/v1/jobs/{job}/plots/sparsity.png")
    assert first.status_code == 200

    publish_again(database, settings, claimed, 2)
    second = api.get(f"/v1/jobs/{job}/plots/sparsity.png")
    assert second.content != first.content
    masks = np.load(BytesIO(api.get(f"/v1/jobs/{job}/masks").content))
    assert set(masks) == {"level-1/linear_1", "level-1/linear_2"}

    succeed(database, settings, claimed)
    (whole,) = api.get(f"/v1/jobs/{job}/results").json()["results"]
    assert whole["result"]["partial"] is False
    assert whole["result"]["levels"][0] == one["result"]["levels"][0]
    assert len(whole["result"]["levels"]) == 2
    (listed,) = api.get("/v1/jobs").json()["jobs"]
    assert listed["best_accuracy"] == best_of(api, job)
    assert (listed["dataset"], listed["network"]) == ("digits", "lenet-300-100")


def test_a_picture_of_a_run_that_goes_on_is_not_stored(
    api: httpx.Client, database: Database, settings: Settings
) -> None:
    job = submitted(api)
    publish_levels(database, settings, 1)
    assert api.get(f"/v1/jobs/{job}/artifacts/trial-1/ticket/plots/weights.png").status_code == 200
    with database.transaction() as session:
        assert not [a for a in session.scalars(select(Artifact.name)) if "/plots/" in a]


def test_the_summary_of_a_job_counts_partial_results(
    api: httpx.Client, database: Database, settings: Settings
) -> None:
    job = submitted(api, ROBUST)
    finish_runs(database, settings, most=4)
    publish_levels(database, settings, 1)
    summary = api.get(f"/v1/jobs/{job}/summary").json()["summary"]
    assert summary["coverage"]["partial"] == 1
    assert not summary["coverage"]["complete"]
    assert api.get(f"/v1/jobs/{job}/plots/sparsity.svg").status_code == 200
    assert api.get(f"/v1/jobs/{job}/plots/learning.svg").status_code == 200
    assert api.get(f"/v1/jobs/{job}/plots/supermask.svg").status_code == 200


def test_replaced_and_removed_files_are_counted_and_doubted(
    api: httpx.Client, database: Database, settings: Settings
) -> None:
    submitted(api)
    claimed = publish_levels(database, settings, 2)
    assert stored(database) == counted(database) > 0
    with database.transaction() as session:
        doubts = session.scalars(select(func.count()).select_from(BlobDoubt)).one()
    publish_again(database, settings, claimed, 1)  # as an attempt that starts from the beginning
    assert stored(database) == counted(database) > 0
    with database.transaction() as session:
        assert session.scalars(select(func.count()).select_from(BlobDoubt)).one() > doubts
        assert not session.scalars(
            select(Artifact.name).where(Artifact.name.endswith("level-1.npz"))
        ).all()
    succeed(database, settings, claimed)
    assert stored(database) == counted(database) > 0


def test_a_failed_run_keeps_its_levels_until_it_starts_afresh(
    api: httpx.Client, database: Database, settings: Settings
) -> None:
    job = submitted(api)
    claimed = publish_levels(database, settings, 1)
    with database.transaction() as session:
        commands.cancel(session, jobs.get(session, job))
        finishing.cancelled(session, claimed.lease, settings)
    assert len(api.get(f"/v1/jobs/{job}/results").json()["results"]) == 1
    for afresh, left in ((False, 1), (True, 0)):
        with database.transaction() as session:
            commands.retry(session, jobs.get(session, job), afresh=afresh)
        with database.transaction() as session:
            assert session.scalar(select(func.count()).select_from(Result)) == left
        assert (api.get(f"/v1/jobs/{job}").json()["best_accuracy"] is None) == (left == 0)
        with database.transaction() as session:
            commands.cancel(session, jobs.get(session, job))
    assert stored(database) == counted(database)


def test_an_older_attempt_cannot_publish(
    api: httpx.Client, database: Database, settings: Settings
) -> None:
    submitted(api)
    claimed = publish_levels(database, settings, 1)
    with database.transaction() as session:
        finishing.give_back(session, claimed.lease, settings, "its worker is stopping")
    with pytest.raises(LeaseLost):
        publish_again(database, settings, claimed, 2)
    with database.transaction() as session:
        assert len(session.scalars(select(Result)).one().document["levels"]) == 1
