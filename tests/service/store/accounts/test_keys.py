"""Keys are valid for their owner until they are revoked or expire."""

from datetime import timedelta

import pytest
from sqlalchemy import func, update

from lth.client.tokens import new_token
from service.store.accounts import keys
from service.store.database import Database
from service.store.tables import ApiKey, Role


@pytest.fixture
def member_token(database: Database) -> str:
    """The token of a member's key."""
    token = new_token()
    with database.transaction() as session:
        keys.create(session, token, owner="ann", role=Role.MEMBER, name="laptop")
    return token


def found(database: Database, token: str) -> ApiKey | None:
    with database.transaction() as session:
        return keys.find(session, token)


def test_only_the_exact_token_finds_a_key(database: Database, member_token: str) -> None:
    wrong = "b" if member_token.endswith("a") else "a"
    assert found(database, member_token[:-1] + wrong) is None
    assert found(database, new_token()) is None
    key = found(database, member_token)
    assert key is not None
    assert (key.owner, key.role) == ("ann", Role.MEMBER)


def test_expired_and_revoked_keys_are_not_found(database: Database, member_token: str) -> None:
    expired, revoked = new_token(), new_token()
    with database.transaction() as session:
        gone = keys.create(session, revoked, owner="ann", role=Role.MEMBER, name="gone")
        late = func.now() - timedelta(seconds=1)
        old = keys.create(session, expired, owner="ann", role=Role.MEMBER, name="old")
        session.execute(update(ApiKey).where(ApiKey.id == old.id).values(expires_at=late))
        keys.revoke(session, gone.id)
    assert [found(database, token) is None for token in (expired, revoked, member_token)] == [
        True,
        True,
        False,
    ]


def test_a_use_is_stored_for_the_used_key_at_most_once_a_minute(
    database: Database, member_token: str
) -> None:
    other = new_token()
    with database.transaction() as session:
        keys.create(session, other, owner="bob", role=Role.MEMBER, name="desk")
    found(database, member_token)
    with database.transaction() as session:
        used = {key.name: key.used_at for key in session.query(ApiKey)}
    assert used["laptop"] is not None
    assert used["desk"] is None

    found(database, member_token)
    again = found(database, member_token)
    assert again is not None
    assert again.used_at == used["laptop"], "most requests do not update the time"
    with database.transaction() as session:
        long_ago = func.now() - timedelta(minutes=2)
        session.execute(update(ApiKey).values(used_at=long_ago))
    found(database, member_token)
    again = found(database, member_token)
    assert again is not None
    assert again.used_at is not None
    assert again.used_at > used["laptop"]


def test_a_new_operator_key_replaces_only_the_old_one(
    database: Database, member_token: str
) -> None:
    old, new = new_token(), new_token()
    for token in (old, new, old):
        with database.transaction() as session:
            keys.ensure_operators(session, token)
    assert found(database, member_token) is not None
    assert found(database, new) is None
    key = found(database, old)
    assert key is not None
    assert (key.owner, key.role) == ("admin", Role.ADMIN)


def test_a_member_key_that_becomes_the_operator_key_gets_the_admin_role(
    database: Database, member_token: str
) -> None:
    new = new_token()
    with database.transaction() as session:
        keys.ensure_operators(session, member_token)
    key = found(database, member_token)
    assert key is not None
    assert (key.owner, key.role) == ("admin", Role.ADMIN)
    with database.transaction() as session:
        keys.ensure_operators(session, new)
    assert found(database, member_token) is None
