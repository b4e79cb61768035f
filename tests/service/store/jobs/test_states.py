"""The state of a job follows from its runs."""

import pytest

from service.store.states import TRANSITIONS, JobState, RunState, job_state

R, J = RunState, JobState


@pytest.mark.parametrize(
    ("counts", "state"),
    [
        ({R.QUEUED: 2, R.BLOCKED: 1}, J.QUEUED),
        ({R.RUNNING: 1, R.BLOCKED: 1}, J.RUNNING),
        ({R.SUCCEEDED: 1, R.QUEUED: 1}, J.RUNNING),
        ({R.FAILED: 1, R.RUNNING: 1}, J.RUNNING),
        ({R.SUCCEEDED: 3}, J.SUCCEEDED),
        ({R.SUCCEEDED: 3, R.FAILED: 1, R.CANCELLED: 1}, J.FAILED),
        ({R.SUCCEEDED: 3, R.CANCELLED: 1}, J.CANCELLED),
        ({R.SUCCEEDED: 3, R.FAILED: 0}, J.SUCCEEDED),
    ],
)
def test_the_state_of_a_job_follows_from_its_runs(counts: dict[R, int], state: J) -> None:
    assert job_state(counts) is state


def test_only_a_queued_run_can_start_and_a_succeeded_run_can_only_be_queued_again() -> None:
    assert [state for state in R if R.RUNNING in TRANSITIONS[state]] == [R.QUEUED]
    assert TRANSITIONS[R.SUCCEEDED] == {R.QUEUED}
    assert set(TRANSITIONS) == set(R)
