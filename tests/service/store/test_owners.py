"""What owners have, for themselves and for administrators."""

from service.store import owners
from service.store.database import Database
from service.store.owners import Holdings
from tests.service.store.conftest import Claim, Submit, statements


def test_what_all_owners_have_is_one_statement(
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
        ((alone, held),) = owners.with_holdings(session, "ann")
    assert (alone.name, held) == ("ann", found["ann"])
