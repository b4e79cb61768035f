"""The clients follow the pages of lists about one job."""

import asyncio

import httpx
import pytest

from lth.client import AsyncClient, Client
from tests.service.api.conftest import ADMIN
from tests.service.api.finished import ROBUST, finish_runs, submitted

pytestmark = pytest.mark.system

TRIALS = 100
SPEC = {
    **ROBUST,
    "trials": TRIALS,
    "experiments": [*ROBUST["experiments"], {"name": "b"}, {"name": "c"}, {"name": "d"}],
}
RESULTS = 5 * TRIALS
RUNS = RESULTS + TRIALS


@pytest.fixture
def job_id(api: httpx.Client, database, settings) -> str:
    """A job with more runs than a page lists; most of them have ended."""
    job_id = submitted(api, SPEC)
    ended = finish_runs(database, settings, most=RUNS)
    assert len(ended) == RUNS
    return job_id


def test_clients_list_all_runs_results_and_files_of_a_large_job(address: str, job_id: str) -> None:
    with Client(address, ADMIN) as client:
        found = client.runs(job_id)
        results = client.results(job_id).results
        files = client.artifacts(job_id)
    assert [run.key for run in found] == list(dict.fromkeys(run.key for run in found))
    assert len(found) == RUNS
    assert len({result.run for result in results}) == len(results) == RESULTS
    names = [file.name for file in files]
    assert len(set(names)) == len(names)
    masks = {name for name in names if name.endswith("/masks.npz")}
    assert masks == {f"{result.run}/masks.npz" for result in results}
    assert "report/summary.json" in names

    async def count_with_async_client() -> tuple[int, int, int]:
        async with AsyncClient(address, ADMIN) as client:
            return (
                len(await client.runs(job_id)),
                len((await client.results(job_id)).results),
                len(await client.artifacts(job_id)),
            )

    assert asyncio.run(count_with_async_client()) == (RUNS, RESULTS, len(files))
