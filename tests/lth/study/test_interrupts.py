"""An interrupted level continues from the step that it reached, and ends with the same bytes."""

import signal
from collections.abc import Iterator

import pytest

from lth.core.errors import Stopped
from lth.core.interrupts import delayed_interrupt
from lth.engine.observer import Observer, Progress
from lth.study.model import LotteryModel
from lth.training.settings import Training
from tests.lth.small import noisy_network, same

LONG = Training.model_validate({"duration": "1200it", "evaluate_every": "400it"})
"""Long enough for several compiled calls between two evaluation points."""


@pytest.fixture(autouse=True)
def _python_handles_sigint() -> Iterator[None]:
    """A shell ignores SIGINT in processes that it starts in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def trained(model: LotteryModel) -> dict:
    return model.trained_levels[-1].weights


@pytest.fixture(scope="module")
def undisturbed() -> LotteryModel:
    model = LotteryModel(noisy_network(), "digits", LONG)
    model.train()
    return model


class Stopping(Observer):
    """Raises at its n-th report."""

    def __init__(self, reports: int, error: BaseException) -> None:
        self.left, self.error, self.at = reports, error, 0

    def progress(self, progress: Progress) -> None:
        self.left -= 1
        self.at = progress.iteration
        if not self.left:
            raise self.error


@pytest.mark.parametrize("error", [Stopped("enough"), KeyboardInterrupt(), ValueError("a bug")])
@pytest.mark.parametrize("reports", [1, 2, 3])
def test_a_training_that_an_observer_stops_goes_on_from_there(undisturbed, error, reports) -> None:
    model = LotteryModel(noisy_network(), "digits", LONG)
    observer = Stopping(reports, error)
    with pytest.raises(type(error)):
        model.train(observer)
    reached = model._runner.state.current
    assert reached is not None
    assert reached.iteration == observer.at
    result = model.train()
    assert same(trained(model), trained(undisturbed))
    assert result.history == undisturbed.levels[-1].history
    assert result.early_stop == undisturbed.levels[-1].early_stop


def test_an_interrupt_takes_effect_after_the_step_and_loses_nothing(undisturbed) -> None:
    model = LotteryModel(noisy_network(), "digits", LONG)
    at: list[int] = []

    class Interrupting(Observer):
        def progress(self, progress: Progress) -> None:
            at.append(progress.iteration)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        model.train(Interrupting())
    assert len(at) == 1
    reached = model._runner.state.current
    assert reached is not None
    assert reached.iteration > at[0]
    model.train()
    assert same(trained(model), trained(undisturbed))


def test_the_state_of_an_interrupted_level_can_be_saved_and_restored(undisturbed) -> None:
    model, other = (LotteryModel(noisy_network(), "digits", LONG) for _ in range(2))
    with pytest.raises(Stopped):
        model.train(Stopping(2, Stopped("enough")))
    other.restore(model.state())
    other.train()
    assert same(trained(other), trained(undisturbed))


def test_a_second_interrupt_is_raised_at_once() -> None:
    with delayed_interrupt() as check:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            check()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_delayed_interrupt_is_raised_at_the_end() -> None:
    with pytest.raises(KeyboardInterrupt), delayed_interrupt():
        signal.raise_signal(signal.SIGINT)


def test_a_program_that_handles_sigint_itself_gets_it(monkeypatch) -> None:
    received = []
    before = signal.signal(signal.SIGINT, lambda *_: received.append(1))
    try:
        with delayed_interrupt():
            signal.raise_signal(signal.SIGINT)
            assert received == [1]
    finally:
        signal.signal(signal.SIGINT, before)
