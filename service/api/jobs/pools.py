"""The pools that a job may name. Clients cannot invent pools that the service would remember."""

from typing import Annotated

from fastapi import Depends, Request

from lth.core.field_errors import WrongField
from lth.core.suggestions import nearest
from service.settings import Settings
from service.store.database import Database
from service.store.workers import pools

_MOST_TOLD = 20


class Pools:
    """Knows the configured pools, and the pools that a worker has served.

    Served pools are cached. The database is asked again only for other names. Safe to use from
    threads.
    """

    def __init__(self, settings: Settings, database: Database) -> None:
        self._database = database
        self._configured = frozenset(
            {settings.default_pool, *settings.pools, *settings.worker_pools}
        )
        self._served: frozenset[str] = frozenset()

    def knows(self, name: str) -> bool:
        """Whether a job may name this pool."""
        if name in self._configured or name in self._served:
            return True
        with self._database.transaction() as session:
            self._served = frozenset(pools.served(session))
        return name in self._served

    def unknown(self, name: str) -> WrongField:
        """The error for an unknown pool: which pools exist, and how to add one."""
        known = sorted(self._configured | self._served)
        more = f", and {len(known) - _MOST_TOLD} more" if len(known) > _MOST_TOLD else ""
        return WrongField(
            "/pool",
            f"no pool '{name}' is configured, and no worker has served it; start a worker with "
            f"LTH_WORKER_POOLS={name}, or add the name to LTH_POOLS of the API",
            name,
            nearest(name, known[:_MOST_TOLD]) + more,
        )


async def _pools(request: Request) -> Pools:
    return request.app.state.pools


PoolsDep = Annotated[Pools, Depends(_pools)]
