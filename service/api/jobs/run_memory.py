"""The limit on the memory of a run, at submission."""

import time
from typing import Annotated

from fastapi import Depends, Request

from lth.core.sizes import size_text
from lth.spec.document import Spec
from lth.spec.memory import estimate_memory
from lth.spec.memory_limit import check_memory
from service.settings import Settings
from service.store.database import Database
from service.store.workers import workers

_UNLIMITED_SECONDS = 1.0


class RunMemory:
    """Refuses specs whose runs need more memory than `max_run_memory`.

    Without this setting, the limit is the largest registered worker of the pool, because a run that
    fits no worker would wait for ever. Without a worker, there is no limit, because a larger worker
    may register. The last largest workers are cached. The database is asked again only for a larger
    run, and at most once a second for a pool without workers. Safe to use from threads.
    """

    def __init__(self, settings: Settings, database: Database) -> None:
        self._most = settings.limits.max_run_memory
        self._database = database
        self._largest: dict[str, int] = {}
        self._unlimited_until: dict[str, float] = {}

    def check(self, spec: Spec, pool: str) -> None:
        """Refuse a spec whose runs need too much memory for the workers of a pool.

        Raises:
            pydantic.ValidationError: names the field that needs most.
        """
        if self._most is not None:
            check_memory(spec, self._most, f"at most {size_text(self._most)} are allowed")
            return
        if estimate_memory(spec).total <= self._largest.get(pool, 0):
            return
        if time.monotonic() < self._unlimited_until.get(pool, 0):
            return
        with self._database.transaction() as session:
            most = workers.largest(session, pool)
        if most is None:
            self._unlimited_until[pool] = time.monotonic() + _UNLIMITED_SECONDS
        else:
            self._largest[pool] = most
            check_memory(spec, most, f"the largest worker of pool '{pool}' has {size_text(most)}")


async def _run_memory(request: Request) -> RunMemory:
    return request.app.state.run_memory


RunMemoryDep = Annotated[RunMemory, Depends(_run_memory)]
