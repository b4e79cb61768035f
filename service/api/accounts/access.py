"""Authenticates and authorizes every request except health checks."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from service.api.accounts.key_cache import Holder, KeyCacheDep
from service.api.http.connections import CONNECTION, Connection
from service.api.http.problems import Forbidden, TooManyRequests, Unauthenticated
from service.api.http.state import app_state
from service.api.http.tracing import ANSWER_HEADERS, request_id_of
from service.store.accounts.audit import Actor
from service.store.accounts.viewers import Viewer
from service.store.tables import Job, Role, StoredDataset

_RANK = {Role.READER: 0, Role.MEMBER: 1, Role.ADMIN: 2}
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="lth"'}
_bearer = HTTPBearer(
    auto_error=False, scheme_name="ApiKey", bearerFormat="lth_...", description="An API key"
)
CredentialsDep = Annotated[HTTPAuthorizationCredentials, Depends(_bearer)]
"""The key of an authenticated request."""


def viewer_of(holder: Holder) -> Viewer | None:
    """Decides what the holder of a key sees; None if everything."""
    return None if holder.role is Role.ADMIN else Viewer(holder.owner, holder.teams)


@dataclass(frozen=True, slots=True)
class Principal:
    """The owner of the key of a request, with its teams, and the role of the key.

    Attributes:
        teams: the owner's teams, its home first.
        viewer: decides what is visible; None if everything is.
    """

    owner: str
    role: Role
    teams: tuple[str, ...]
    viewer: Viewer | None
    actor: Actor

    def may_change(self, thing: Job | StoredDataset) -> bool:
        """Whether a visible job or data set may be changed."""
        return self.role is Role.ADMIN or thing.owner == self.owner

    def check_may_change(self, thing: Job | StoredDataset) -> None:
        """Check that a visible job or data set may be changed.

        Raises:
            Forbidden: if it belongs to somebody else.
        """
        if not self.may_change(thing):
            raise Forbidden(
                f"'{thing.id}' belongs to '{thing.owner}'; only '{thing.owner}' and administrators "
                "can change it"
            )


async def authenticate(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    key_cache: KeyCacheDep,
) -> None:
    """Authenticate the request, once for all dependencies.

    Raises:
        Unauthenticated: without a key, or with one that is wrong, expired or revoked.
        TooManyRequests: if the rate limit of the owner is exceeded.
    """
    if credentials is None:
        raise Unauthenticated(
            "the request has no key; send the header 'Authorization: Bearer lth_...'",
            headers=_CHALLENGE,
        )
    app = app_state(request)
    key = await key_cache.holder(credentials.credentials)
    if key is None:
        raise Unauthenticated("the key is not valid (any more)", headers=_CHALLENGE)
    taken = await app.rates.take(key.owner)
    if taken is not None:
        request.scope[ANSWER_HEADERS] = taken.headers
        if not taken.allowed:
            raise TooManyRequests(
                f"'{key.owner}' may send {taken.limit}; try again in {taken.reset} s",
                headers={"Retry-After": str(taken.reset)},
            )
    connection: Connection | None = request.scope.get(CONNECTION)
    if connection is not None and not app.connections.admit(connection, key.owner):
        raise TooManyRequests(
            f"'{key.owner}' has {app.connections.bounds.of_owner} requests under way here, the "
            "most at once; try again",
            headers={"Retry-After": "1"},
        )
    actor = Actor(key.owner, key.key_id, request_id_of(request))
    request.state.principal = Principal(key.owner, key.role, key.teams, viewer_of(key), actor)


def _at_least(role: Role) -> Callable[[Request], Coroutine[Any, Any, Principal]]:
    async def allowed(request: Request) -> Principal:
        principal: Principal = request.state.principal
        if _RANK[principal.role] < _RANK[role]:
            raise Forbidden(
                f"this takes a key with the role '{role}'; yours has the role '{principal.role}'"
            )
        return principal

    return allowed


ReaderDep = Annotated[Principal, Depends(_at_least(Role.READER))]
MemberDep = Annotated[Principal, Depends(_at_least(Role.MEMBER))]
AdminDep = Annotated[Principal, Depends(_at_least(Role.ADMIN))]
