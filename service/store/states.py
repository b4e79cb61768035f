"""The states of runs and jobs: what may follow what, and how a job's follows from its runs."""

from collections.abc import Mapping
from enum import StrEnum


class RunState(StrEnum):
    """Where a run is in its life."""

    BLOCKED = "blocked"
    """Waits for runs that it needs."""
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class JobState(StrEnum):
    """Where a job is, derived from its runs."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Reason(StrEnum):
    """Why a run failed. Stable: clients may branch on it."""

    USER_ERROR = "user_error"
    DIVERGED = "diverged"
    OUT_OF_MEMORY = "out_of_memory"
    TIMEOUT = "timeout"
    WORKER_LOST = "worker_lost"
    CANCELLED = "cancelled"
    INTERNAL = "internal"


FINISHED_RUN = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED})
FINISHED_JOB = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})
UNFINISHED_JOB = frozenset(JobState) - FINISHED_JOB

_R = RunState
TRANSITIONS: Mapping[RunState, frozenset[RunState]] = {
    _R.BLOCKED: frozenset({_R.QUEUED, _R.CANCELLED, _R.FAILED}),
    _R.QUEUED: frozenset({_R.RUNNING, _R.CANCELLED, _R.FAILED}),
    _R.RUNNING: frozenset({_R.SUCCEEDED, _R.FAILED, _R.CANCELLED, _R.QUEUED}),
    _R.SUCCEEDED: frozenset({_R.QUEUED}),
    _R.FAILED: frozenset({_R.QUEUED, _R.BLOCKED}),
    _R.CANCELLED: frozenset({_R.QUEUED, _R.BLOCKED}),
}
"""What may follow a state. A run that waits fails when its job's time is spent; a running one goes
back to the queue when its worker is lost or drains; a failed or cancelled one only when a person
retries its job; a succeeded one only when an operator has its damaged files made again."""


def job_state(counts: Mapping[RunState, int]) -> JobState:
    """A job's state, from the number of its runs in each state."""
    there = {state for state, count in counts.items() if count}
    if there & {_R.BLOCKED, _R.QUEUED, _R.RUNNING}:
        started = there - {_R.BLOCKED, _R.QUEUED}
        return JobState.RUNNING if started else JobState.QUEUED
    if _R.FAILED in there:
        return JobState.FAILED
    return JobState.CANCELLED if _R.CANCELLED in there else JobState.SUCCEEDED
