"""Celery beat, which does its periodic work itself instead of sending it to a worker."""

from typing import Any

from celery.beat import ScheduleEntry, Scheduler


class InProcessScheduler(Scheduler):
    """Runs what is due in this process; keeps nothing on disk, needs no broker.

    A sweep that waited in a queue behind workers that train for hours would be none.
    """

    producer = None  # pyright: ignore[reportAssignmentType]

    def apply_async(
        self, entry: ScheduleEntry, producer: Any = None, advance: bool = True, **_: Any
    ) -> None:
        """Run an entry's task now; what it raises is logged by the caller."""
        entry = self.reserve(entry) if advance else entry
        self.app.tasks[entry.task](*(entry.args or ()), **(entry.kwargs or {}))
