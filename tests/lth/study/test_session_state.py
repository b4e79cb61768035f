"""A study is saved, and continued in another process."""

from collections.abc import Callable
from itertools import permutations
from typing import BinaryIO

import numpy as np
import pytest

from lth.core.errors import CheckpointUnreadable, SpecError
from lth.core.npz import encode
from lth.engine.observer import Observer
from lth.study.model import LotteryModel
from lth.study.robust import LotteryRobust
from lth.study.session import LotterySession
from tests.lth.small import TRAINING, network, same

LATE = {"name": "late", "reinit": {"kind": "rewind", "to": "1it"}}
TICKET = {"name": "ticket", "pruning": {"schedule": {"kind": "one_shot", "sparsity": 0.5}}}
CONTROL = {"name": "control", "control": {"kind": "random_weights", "of": "ticket"}}


def _session(**more) -> LotterySession:
    return LotterySession(network(), "digits", TRAINING, **more)


class _Counting(Observer):
    """Counts the checkpoints of trainings."""

    checkpoints = 0

    def checkpoint(self, content: Callable[[], BinaryIO]) -> None:
        self.checkpoints += 1


def test_a_restored_session_has_its_results_and_does_not_train_again():
    before, after, trained = _session(), _session(), _Counting()
    before.run([TICKET, LATE])
    after.restore(before.state())
    assert after.results == before.results
    after.run([TICKET, LATE], trained)
    assert trained.checkpoints == 0
    assert after.state() == before.state()


def test_a_restore_does_not_change_later_results():
    whole, before, after = _session(), _session(), _session()
    whole.run([TICKET, CONTROL])
    before.run([TICKET])
    after.restore(before.state())
    after.run([TICKET, CONTROL])
    one, other = (each.experiment("control").trained_levels[1].weights for each in (whole, after))
    assert same(one, other)
    assert after.controls == {"control": "ticket"}


def test_an_interrupted_session_continues_after_a_restore():
    before, after = _session(), _session()
    before.train_dense()
    before.new_experiment("ticket")
    after.restore(before.state())
    after.run([TICKET])
    assert after.results[0].trunk_reused


def test_a_state_of_another_seed_is_refused_and_changes_nothing():
    before, after = _session(), _session(seed=1)
    before.run([TICKET])
    after.train_dense()
    trunk = after.trunk
    trained_only = _session()
    trained_only.train_dense()
    for other in (before, trained_only):
        with pytest.raises(SpecError, match="this checkpoint began with other settings"):
            after.restore(other.state())
        assert (after.trunk, after.results) == (trunk, ())


def test_trials_are_saved_together_and_more_trials_can_be_added():
    before = LotteryRobust(network(), "digits", TRAINING, trials=2)
    before.run([TICKET])
    after = LotteryRobust(network(), "digits", TRAINING, trials=3)
    after.restore(before.state())
    assert after.results == before.results
    after.run([TICKET])
    assert after.get_summary().experiments[0].trials == (1, 2, 3)
    with pytest.raises(SpecError, match=r"of 3 trials, but there are 2; give trials=3"):
        before.restore(after.state())


@pytest.mark.parametrize("content", [b"", b"no state", encode({}), encode({"a": np.zeros(1)})])
def test_bytes_that_are_not_a_state_are_refused(content: bytes):
    for study in (_session(), LotteryRobust(network(), "digits", TRAINING, trials=2)):
        with pytest.raises(CheckpointUnreadable, match="bytes are no session's"):
            study.restore(content)


def test_the_error_for_a_state_of_another_class_names_that_class():
    """The state of a session must not be read as that of a robust study."""
    studies = (
        LotteryModel(network(), "digits", TRAINING),
        _session(),
        LotteryRobust(network(), "digits", TRAINING, trials=2),
    )
    for study, given in permutations(studies, 2):
        if study is not studies[0]:
            theirs, ours = type(given).__name__, type(study).__name__
            complaint = f"the state of a {theirs}, not of a {ours}; give it to {theirs}.restore"
            with pytest.raises(CheckpointUnreadable, match=complaint):
                study.restore(given.state())
