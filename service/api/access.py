"""Who asks, and what they may do: every request but those for health resolves to a principal."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends

from service.api.parts import PartsDep
from service.api.problems import Forbidden
from service.store.tables import Role

_RANK = {Role.READER: 0, Role.MEMBER: 1, Role.ADMIN: 2}


@dataclass(frozen=True, slots=True)
class Principal:
    """An owner, and the role that their key has."""

    owner: str
    role: Role
    key_id: str | None = None

    @property
    def sees(self) -> str | None:
        """The owner whose things they see; None for those of everybody."""
        return None if self.role is Role.ADMIN else self.owner


async def authenticate(parts: PartsDep) -> Principal:
    """Find out who asks."""
    return Principal("local", Role.ADMIN)


def at_least(role: Role) -> Callable[[Principal], Principal]:
    """A dependency that lets only this role and those above it through."""

    async def allowed(principal: Annotated[Principal, Depends(authenticate)]) -> Principal:
        if _RANK[principal.role] < _RANK[role]:
            raise Forbidden(
                f"this takes a key with the role '{role}'; yours has the role '{principal.role}'"
            )
        return principal

    return allowed  # pyright: ignore[reportReturnType]


ReaderDep = Annotated[Principal, Depends(at_least(Role.READER))]
MemberDep = Annotated[Principal, Depends(at_least(Role.MEMBER))]
AdminDep = Annotated[Principal, Depends(at_least(Role.ADMIN))]
