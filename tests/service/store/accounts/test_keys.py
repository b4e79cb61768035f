"""Keys are valid for their owner until they are revoked or expire."""

from datetime import timedelta

import pytest
from sqlalchemy import func, update

from lth.client.tokens import new_token
from service.store.accounts import keys
from service.store.database import Database
from service.store.tables import ApiKey, Role


@pytest.fixture
def anns(database: Database) -> str:
    """The key of a member."""
    token = new_token()
    with database.transaction() as session:
        keys.create(session, token, owner="ann", role=Role.MEMBER, name="laptop")
    return token


def found(database: Database, token: str) -> ApiKey | None:
    with database.transaction() as session:
        return keys.find(session, token)


def test_only_the_whole_token_lets_in(database: Database, anns: str) -> None:
    wrong = "b" if anns.endswith("a") else "a"
    assert found(database, anns[:-1] + wrong) is None
    assert found(database, new_token()) is None
    key = found(database, anns)
    assert key is not None
    assert (key.owner, key.role) == ("ann", Role.MEMBER)


def test_an_expired_or_revoked_key_alone_is_shut_out(database: Database, anns: str) -> None:
    expired, revoked = new_token(), new_token()
    with database.transaction() as session:
        gone = keys.create(session, revoked, owner="ann", role=Role.MEMBER, name="gone")
        late = func.now() - timedelta(seconds=1)
        old = keys.create(session, expired, owner="ann", role=Role.MEMBER, name="old")
        session.execute(update(ApiKey).where(ApiKey.id == old.id).values(expires_at=late))
        keys.revoke(session, gone.id)
    assert [found(database, token) is None for token in (expired, revoked, anns)] == [
        True,
        True,
        False,
    ]


def test_use_is_noted_of_the_key_that_is_used(database: Database, anns: str) -> None:
    other = new_token()
    with database.transaction() as session:
        keys.create(session, other, owner="bob", role=Role.MEMBER, name="desk")
    found(database, anns)
    with database.transaction() as session:
        used = {key.name: key.used_at for key in session.query(ApiKey)}
    assert used["laptop"] is not None
    assert used["desk"] is None

    found(database, anns)
    again = found(database, anns)
    assert again is not None
    assert again.used_at == used["laptop"], "not at every request"
    with database.transaction() as session:
        long_ago = func.now() - timedelta(minutes=2)
        session.execute(update(ApiKey).values(used_at=long_ago))
    found(database, anns)
    again = found(database, anns)
    assert again is not None
    assert again.used_at is not None
    assert again.used_at > used["laptop"]


def test_the_operators_key_takes_the_place_of_its_own_alone(database: Database, anns: str) -> None:
    old, new = new_token(), new_token()
    for token in (old, new, old):
        with database.transaction() as session:
            keys.ensure_operators(session, token)
    assert found(database, anns) is not None
    assert found(database, new) is None
    key = found(database, old)
    assert key is not None
    assert (key.owner, key.role) == ("admin", Role.ADMIN)


def test_a_key_that_is_made_the_operators_is_an_administrators(
    database: Database, anns: str
) -> None:
    new = new_token()
    with database.transaction() as session:
        keys.ensure_operators(session, anns)
    key = found(database, anns)
    assert key is not None
    assert (key.owner, key.role) == ("admin", Role.ADMIN)
    with database.transaction() as session:
        keys.ensure_operators(session, new)
    assert found(database, anns) is None
