"""Usage and quota of owners, for themselves and for administrators."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from service.store.accounts import owners
from service.store.accounts.owners import Holdings
from service.store.database import Database
from service.store.tables import Owner
from tests.service.store.conftest import Claim, Submit, statements


def test_the_holdings_of_all_owners_are_read_by_one_statement(
    submit: Submit, claim: Claim, database: Database
) -> None:
    for owner in ("bob", "ann", "ann"):
        submit(owner=owner)
    with database.transaction() as session:
        owners.ensure(session, "eve")
    claimed = claim()
    assert claimed is not None
    with statements(database) as seen, database.transaction() as session:
        found = {owner.name: held for owner, held in owners.with_holdings(session)}
    assert len(seen) == 1, seen
    assert list(found) == ["ann", "bob", "eve"]
    jobs = {"ann": 2, "bob": 1, "eve": 0}
    for name, held in found.items():
        assert held == Holdings(int(name == claimed.owner), jobs[name], 0)
    with database.transaction() as session:
        ((ann, held),) = owners.with_holdings(session, "ann")
    assert (ann.name, held) == ("ann", found["ann"])


def test_usage_halves_after_each_half_life(database: Database) -> None:
    day = timedelta(days=1).total_seconds()
    with database.transaction() as session:
        owners.ensure(session, "ann")
        session.execute(update(Owner).values(usage=1000, usage_at=func.now() - timedelta(days=1)))
    for _ in range(2):
        with database.transaction() as session:
            owners.count_usage(session, "ann", 100, day)
    with database.transaction() as session:
        assert session.scalar(select(Owner.usage)) == pytest.approx(1000 / 2 + 100 + 100, rel=0.01)
