"""Celery beat that does its periodic work itself instead of sending it to a worker."""

from typing import Any

from celery.beat import ScheduleEntry, Scheduler


class InProcessScheduler(Scheduler):
    """Runs due tasks in this process. It stores nothing on disk, and needs no broker.

    Workers may train for hours, so a sweep must not wait in their queue.
    """

    producer = None  # pyright: ignore[reportAssignmentType]

    def apply_async(
        self, entry: ScheduleEntry, producer: Any = None, advance: bool = True, **_: Any
    ) -> None:
        """Run the task of an entry; the caller logs its exceptions."""
        entry = self.reserve(entry) if advance else entry
        self.app.tasks[entry.task](*(entry.args or ()), **(entry.kwargs or {}))
