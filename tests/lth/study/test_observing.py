"""Progress of a study: a bar, a function, or an observer."""

import pytest
from rich.console import Console

from lth import LotteryModel, LotterySession, Observer, Progress, SpecError
from lth.engine.observer import TrainedLevel
from lth.study import observing
from tests.lth.small import TRAINING, network


def test_a_function_is_called_with_the_progress() -> None:
    seen: list[Progress] = []
    LotteryModel(network(), "digits", TRAINING).train(observer=seen.append)
    assert [p.iteration for p in seen if p.validation] == [13, 26, 39, 52, 60]


def test_an_observer_receives_experiments_and_levels() -> None:
    class Recording(Observer):
        def __init__(self) -> None:
            self.seen: list = []

        def experiment_started(self, experiment: str, trial: int) -> None:
            self.seen.append((experiment, trial))

        def level_finished(self, level: TrainedLevel) -> None:
            self.seen.append(level.result.level)

        def level_restored(self, level: TrainedLevel) -> None:
            self.seen.append(f"restored {level.result.level}")

    recording = Recording()
    LotterySession(network(), "digits", TRAINING, trial=2).run([{"name": "a"}], recording)
    assert recording.seen == [("dense network", 2), 0, ("a", 2), "restored 0", 1]


def test_other_things_are_no_observers() -> None:
    with pytest.raises(SpecError, match="is not an observer; give 'bar', None, a function"):
        LotteryModel(network(), "digits", TRAINING).train(observer=7)  # pyright: ignore


def test_a_terminal_shows_experiment_level_and_remaining_time(monkeypatch) -> None:
    console = Console(force_terminal=True, width=200, record=True)
    monkeypatch.setattr(observing, "Console", lambda **_: console)
    LotterySession(network(), "digits", TRAINING).run([{"name": "ticket"}])
    said = console.export_text()
    assert "ticket, trial 1" in said
    assert "level 1/1" in said
    assert "0:00 left" in said


@pytest.mark.parametrize("observer", ["bar", None])
def test_nothing_is_printed_without_a_terminal(capfd, observer) -> None:
    LotteryModel(network(), "digits", TRAINING).train(observer=observer)
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""
