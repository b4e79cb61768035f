"""Times and the order of jobs follow Postgres' clock, even if the host's clock is wrong."""

import subprocess
import sys
from contextlib import closing
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from service.store.database import Database
from service.store.jobs import jobs
from service.store.jobs.jobs import JobFilter
from service.store.runs import runs
from tests import ROOT

pytestmark = pytest.mark.system

HOURS = 5

SUBMIT = """
import sys, time
from datetime import datetime, timedelta

import datetime as module
true_ns, true_time = time.time_ns, time.time
shift = int(sys.argv[2]) * 3600
time.time_ns = lambda: true_ns() + shift * 10**9
time.time = lambda: true_time() + shift

class Instances(type):
    def __instancecheck__(cls, one):
        return isinstance(one, datetime)

class Wrong(datetime, metaclass=Instances):
    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) + timedelta(seconds=shift)

module.datetime = Wrong

from lth.spec.plan import plan
from lth.spec.document import parse_spec
from service.settings import Settings
from service.store.accounts.audit import Actor
from service.store.database import Database
from service.store.jobs import submitting
from service.store.jobs.submitting import Submission

database = Database(sys.argv[1])
database.ping()  # as the API does for the key of each request
spec = parse_spec({"kind": "model"})
for _ in range(2):
    submission = Submission(Actor("local"), spec, plan(spec), priority=50)
    print(submitting.submit(database, submission, Settings()).job.id)
database.close()
"""


def submitted(database_url: str, hours: int) -> list[str]:
    """Submit two jobs from a process whose clock is wrong; return their ids."""
    command = [sys.executable, "-W", "ignore", "-c", SUBMIT, database_url, str(hours)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("hours", [-HOURS, HOURS])
def test_a_wrong_clock_does_not_change_times_ranks_or_order(database_url: str, hours: int) -> None:
    before = submitted(database_url, 0)
    between = submitted(database_url, hours)
    after = submitted(database_url, 0)
    with closing(Database(database_url)) as database, database.transaction() as session:
        now = session.scalar(select(func.now()))
        assert now is not None
        listed = [job.id for job in jobs.page(session, JobFilter()).rows]
        assert listed == [*reversed(after), *reversed(between), *reversed(before)]
        ranks = []
        for job_id in (*before, *between, *after):
            job = jobs.get(session, job_id)
            [run] = runs.of_job(session, job_id)
            assert abs(now - job.created_at) < timedelta(minutes=10)
            assert run.queued_at == job.created_at
            ranks.append(run.rank)
        assert ranks == sorted(ranks)
        recent = JobFilter(created_from=now - timedelta(minutes=10))
        assert len(jobs.page(session, recent).rows) == 6
