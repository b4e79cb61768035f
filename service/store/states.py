"""The states of runs and jobs, and their transitions."""

from collections.abc import Mapping
from enum import StrEnum


class RunState(StrEnum):
    """The state of a run."""

    BLOCKED = "blocked"
    """It waits for runs that it needs."""
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class JobState(StrEnum):
    """The state of a job, derived from its runs."""

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
"""The transitions of runs. A queued run fails if the budget of its job is spent.

A running run returns to the queue if its worker is lost or drains. A failed or cancelled run
returns only by a retry. A succeeded run returns only if an operator repairs its damaged files.
"""


def job_state(counts: Mapping[RunState, int]) -> JobState:
    """The state of a job, from the number of its runs in each state."""
    there = {state for state, count in counts.items() if count}
    if there & {_R.BLOCKED, _R.QUEUED, _R.RUNNING}:
        started = there - {_R.BLOCKED, _R.QUEUED}
        return JobState.RUNNING if started else JobState.QUEUED
    if _R.FAILED in there:
        return JobState.FAILED
    return JobState.CANCELLED if _R.CANCELLED in there else JobState.SUCCEEDED
