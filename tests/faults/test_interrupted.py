"""I3 through the whole service: a run that is killed between two evaluation points of a level.

The network has every kind of state that training changes: weights, the optimizer's slots, moving
averages, and the random state of dropout.
"""

import random
import time
from typing import Any

import psutil
import pytest
from sqlalchemy import select

from service.store.states import JobState
from service.store.tables import Event, Job, Run
from tests.faults.scene import Scene, scene
from tests.faults.test_faults import arrays, finish
from tests.worker.rig import eventually, pid_of

pytestmark = pytest.mark.timeout(900)

ITERATIVE: dict[str, Any] = {
    "kind": "model",
    "plots": "none",
    "network": {
        "kind": "layers",
        "layers": [
            "flatten",
            {"kind": "linear", "units": 300, "activation": "relu"},
            "batch_normalization",
            {"kind": "dropout", "rate": 0.2},
            {"kind": "linear", "units": 100, "activation": "relu"},
            {"kind": "linear", "units": 10},
        ],
    },
    "training": {"duration": "500ep", "evaluate_every": "5ep"},
    "pruning": {"schedule": {"kind": "geometric", "fraction": 0.5, "rounds": 3}},
}


def test_a_run_killed_at_a_random_evaluation_point_ends_with_the_bytes_of_an_undisturbed_one():
    chance = random.Random()
    level, later = chance.randint(1, 2), chance.uniform(0, 1)
    with scene() as there:
        undisturbed = there.submit(ITERATIVE)
        finish(there, [undisturbed], 300)
        killed = there.submit(ITERATIVE)
        eventually(lambda: trains(there, killed, level), 300, every=0.01)
        time.sleep(later)
        with there.database.transaction() as session:
            run = session.scalars(select(Run).where(Run.job_id == killed)).one()
            assert run.state == "running"
        psutil.Process(pid_of(run)).kill()
        finish(there, [killed], 300)
        with there.database.transaction() as session:
            run = session.scalars(select(Run).where(Run.job_id == killed)).one()
            assert session.get_one(Job, killed).state == JobState.SUCCEEDED
            assert (run.attempt, run.losses) == (2, 1)
        told = f"killed {later} s into level {level}"
        assert arrays(there, killed) == arrays(there, undisturbed), told
        assert len(arrays(there, killed)) == 6


def trains(there: Scene, job_id: str, level: int) -> bool:
    """Whether a job has told of an evaluation point at a level."""
    told = select(Event.data).where(Event.job_id == job_id, Event.kind == "evaluation")
    with there.database.transaction() as session:
        return any(data["level"] == level for data in session.scalars(told))
