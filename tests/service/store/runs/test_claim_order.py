"""The order of claims: among owners by share, within an owner by priority and age."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select, text, update

from service.settings import Settings
from service.store.accounts import owners
from service.store.accounts.owners import Quota
from service.store.database import Database
from service.store.runs import claims, finishing
from service.store.runs.claims import Claimed
from service.store.runs.finishing import Success
from service.store.tables import Owner, Run
from tests.service.store.conftest import Claim, Submit

GIB = 1 << 30
SESSION = {"kind": "session", "experiments": [{"name": "a"}, {"name": "b"}]}


def succeed(database: Database, settings: Settings, claimed: Claimed | None) -> None:
    assert claimed is not None
    with database.transaction() as session:
        finishing.succeed(session, claimed.lease, Success(None, ()), settings)


def took_a_minute(database: Database, claimed: Claimed | None) -> None:
    assert claimed is not None
    with database.transaction() as session:
        row = update(Run).where(Run.id == claimed.lease.run_id)
        session.execute(row.values(started_at=Run.started_at - timedelta(minutes=1)))


def owner_of(claimed: Claimed | None) -> str:
    assert claimed is not None
    return claimed.owner


def job_of(claimed: Claimed | None) -> str:
    assert claimed is not None
    return claimed.lease.job_id


def test_nothing_is_claimed_from_an_empty_queue_or_another_pool(
    submit: Submit, claim: Claim
) -> None:
    assert claim() is None
    submit(pool="gpu")
    assert claim() is None
    assert claim("gpu") is not None


def test_the_oldest_job_is_claimed_first(submit: Submit, claim: Claim) -> None:
    first, second = submit(), submit()

    assert [job_of(claim()), job_of(claim())] == [first, second]


def test_priority_comes_before_age_until_the_older_job_has_waited_long_enough(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    old, urgent = submit(priority=10), submit(priority=20)
    assert job_of(claim()) == urgent

    urgent = submit(priority=20)
    waited = timedelta(seconds=11 * settings.ageing_seconds)
    with database.transaction() as session:
        session.execute(update(Run).where(Run.job_id == old).values(rank=Run.rank - waited))
    assert job_of(claim()) == old


def test_a_thousand_queued_jobs_do_not_delay_another_owner(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    for _ in range(30):
        submit(owner="ann")
    with database.transaction() as session:
        session.execute(text(
            "INSERT INTO runs SELECT (jsonb_populate_record(r, jsonb_build_object("
            "'id', gen_random_uuid(), 'key', 'copy-' || n))).* FROM runs r, "
            "generate_series(1, 1000) n WHERE r.job_id = (SELECT min(id) FROM jobs)"
        ))  # fmt: skip
    succeed(database, settings, claim())
    submit(owner="bob", priority=0)

    assert owner_of(claim()) == "bob"


def test_owners_take_turns(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    for _ in range(6):
        submit(owner="ann")
        submit(owner="bob")

    served = []
    for _ in range(6):
        claimed = claim()
        served.append(owner_of(claimed))
        took_a_minute(database, claimed)
        succeed(database, settings, claimed)

    assert sorted(served[:2]) == sorted(served[2:4]) == sorted(served[4:]) == ["ann", "bob"]


def test_weights_divide_the_running_runs_among_owners(
    submit: Submit, claim: Claim, database: Database
) -> None:
    for _ in range(9):
        submit(owner="ann")
        submit(owner="bob")
    with database.transaction() as session:
        owners.set_quota(session, "ann", Quota(weight=2.0))

    running = [owner_of(claim()) for _ in range(9)]

    assert (running.count("ann"), running.count("bob")) == (6, 3)


@pytest.mark.parametrize("half_lives", [30, 10_000])
def test_old_usage_decays(
    half_lives: int, submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    submit(owner="ann")
    submit(owner="bob")
    long_ago = timedelta(seconds=half_lives * settings.usage_half_life_seconds)
    with database.transaction() as session:
        session.execute(update(Owner).where(Owner.name == "ann").values(
            usage=1e6, usage_at=Owner.usage_at - long_ago))  # fmt: skip
        session.execute(update(Owner).where(Owner.name == "bob").values(usage=60.0))

    claimed = claim()
    assert owner_of(claimed) == "ann"
    took_a_minute(database, claimed)
    succeed(database, settings, claimed)
    with database.transaction() as session:
        usage = session.scalars(select(Owner.usage).where(Owner.name == "ann")).one()
    assert usage == pytest.approx(60, abs=50)


def test_concurrent_claims_respect_the_quota_of_running_runs(
    submit: Submit, claim: Claim, database: Database
) -> None:
    for _ in range(10):
        submit()
    with database.transaction() as session:
        owners.set_quota(session, "ann", Quota(max_running=3))

    with ThreadPoolExecutor(10) as threads:
        claimed = list(threads.map(lambda n: claim(worker=f"w{n}"), range(10)))

    assert sum(one is not None for one in claimed) == 3


def test_concurrent_claims_never_share_a_run(submit: Submit, claim: Claim) -> None:
    for _ in range(20):
        submit()

    with ThreadPoolExecutor(10) as threads:
        claimed = [c for c in threads.map(lambda n: claim(worker=f"w{n}"), range(30)) if c]

    assert len(claimed) == len({one.lease.run_id for one in claimed}) == 20


def test_a_run_waits_while_another_job_trains_its_trunk(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    submit(SESSION)
    submit({**SESSION, "name": "twin"})
    trunk = claim()

    assert claim() is None
    succeed(database, settings, trunk)
    assert claim() is not None


def test_a_claim_skips_a_locked_run(submit: Submit, claim: Claim, database: Database) -> None:
    held, free = submit(), submit()

    with database.transaction() as session:
        session.execute(text("SELECT id FROM runs WHERE job_id = :job FOR UPDATE"), {"job": held})
        assert job_of(claim()) == free


def test_usage_counts_less_for_an_owner_with_a_larger_weight(
    submit: Submit, claim: Claim, database: Database
) -> None:
    submit(owner="ann")
    submit(owner="bob")
    with database.transaction() as session:
        owners.set_quota(session, "bob", Quota(weight=4.0))
        for name, usage in (("ann", 100.0), ("bob", 300.0)):
            session.execute(update(Owner).where(Owner.name == name).values(usage=usage))

    assert owner_of(claim()) == "bob"


def test_a_worker_of_two_pools_claims_from_the_second_if_the_first_is_empty(
    submit: Submit, database: Database, settings: Settings
) -> None:
    first, second = submit(pool="gpu"), submit(pool="cpu")

    with database.transaction() as session:
        taken = [claims.claim(session, "w", ["cpu", "gpu"], settings) for _ in range(3)]

    assert [one and one.lease.job_id for one in taken] == [second, first, None]


def test_a_claim_reads_few_pages_of_a_long_queue(
    submit: Submit, database: Database, settings: Settings
) -> None:
    """Timings vary on a busy machine, so the test counts the pages that Postgres reads."""
    submit(owner="bob")
    with database.transaction() as session:
        _copy_jobs(session, 20_000)

    assert pages_of_a_claim(database, settings, None) < 200


def test_a_claim_skips_a_long_queue_of_runs_that_do_not_fit_without_reading_their_rows(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    submit(owner="bob", priority=100)
    with database.transaction() as session:
        session.execute(update(Run).values(memory=GIB + 1))
        _copy_jobs(session, 20_000)
    small = submit(owner="bob", priority=0)
    with database.transaction() as session:
        session.execute(update(Run).where(Run.job_id == small).values(memory=GIB))

    assert pages_of_a_claim(database, settings, GIB) < 1000, "20,000 rows would be 20,000 pages"
    assert job_of(claim(memory=GIB)) == small
    assert claim(memory=GIB) is None


def pages_of_a_claim(database: Database, settings: Settings, memory: int | None) -> int:
    """Pages that Postgres reads for a claim, which is undone."""
    with database.transaction() as session:
        session.execute(claims._TURN_COMES, {"turn": claims._TURN})
        explain = text(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {claims._NEXT.text}")
        parameters = claims._parameters("cpu", "w", settings, memory)
        [plan] = session.execute(explain, parameters).scalar_one()
        session.rollback()
    return plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]


def _copy_jobs(session, number: int) -> None:
    """Queue copies of the only job by SQL, however long a busy machine takes for it."""
    session.execute(text("SET LOCAL statement_timeout = 0"))
    session.execute(text(
        "INSERT INTO jobs SELECT (jsonb_populate_record(j, jsonb_build_object("
        "'id', 'job_' || lpad(to_hex(n), 32, '0')))).* FROM jobs j, generate_series(1, :n) n"
    ), {"n": number})  # fmt: skip
    session.execute(text(
        "INSERT INTO runs SELECT (jsonb_populate_record(r, jsonb_build_object("
        "'id', gen_random_uuid(), 'job_id', 'job_' || lpad(to_hex(n), 32, '0')))).* "
        "FROM runs r, generate_series(1, :n) n"
    ), {"n": number})  # fmt: skip


def test_new_urgent_jobs_do_not_starve_a_job_without_priority(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    patient = submit(priority=0)
    served = []
    for _ in range(12):
        submit(priority=100)
        served.append(job_of(claim()))
        with database.transaction() as session:  # time passes
            ten_points = timedelta(seconds=10 * settings.ageing_seconds)
            session.execute(update(Run).values(rank=Run.rank - ten_points))
    assert served.index(patient) in (9, 10, 11)
