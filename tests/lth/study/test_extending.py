"""A finished schedule is extended, with the bytes of the longer schedule."""

import pytest

from lth.core.errors import SpecError
from lth.study.model import LotteryModel
from lth.study.session import LotterySession
from tests.lth.small import TRAINING, network, same


def rounds(number: int, fraction: float = 0.5) -> dict:
    return {"kind": "geometric", "fraction": fraction, "rounds": number}


def test_a_longer_schedule_continues_from_the_last_level() -> None:
    longer, extended = (LotteryModel(network(), "digits", TRAINING) for _ in range(2))
    longer.iterative_pruning(rounds(3), scope="global")
    extended.iterative_pruning(rounds(1), scope="global")
    first = extended.trained_levels
    extended.iterative_pruning(rounds(3), scope="global")
    assert extended.trained_levels[:2] == first, "finished levels are not trained again"
    for one, other in zip(longer.trained_levels, extended.trained_levels, strict=True):
        assert same(one.weights, other.weights)
        assert same(one.masks, other.masks)
    assert longer.result().method == extended.result().method


@pytest.mark.parametrize(
    "other",
    [
        {"schedule": rounds(3, 0.4)},
        {"schedule": rounds(3), "criterion": "random"},
        {"schedule": rounds(3), "reinit": "random"},
        {"schedule": rounds(3), "scope": "global"},
        {"schedule": rounds(1)},
    ],
)
def test_another_method_is_no_extension(other: dict) -> None:
    model = LotteryModel(network(), "digits", TRAINING)
    model.iterative_pruning(rounds(2))
    with pytest.raises(SpecError, match="pruned in another way"):
        model.iterative_pruning(**other)


def test_an_experiment_and_its_control_are_extended_in_a_session() -> None:
    def experiments(number: int) -> list[dict]:
        control = {"name": "control", "control": {"kind": "random_weights", "of": "ticket"}}
        return [{"name": "ticket", "pruning": {"schedule": rounds(number)}}, control]

    longer, extended = (LotterySession(network(), "digits", TRAINING) for _ in range(2))
    longer.run(experiments(2))
    extended.run(experiments(1))
    extended.run(experiments(2))
    for name in ("ticket", "control"):
        levels = zip(
            longer.experiment(name).trained_levels,
            extended.experiment(name).trained_levels,
            strict=True,
        )
        assert all(same(one.weights, other.weights) for one, other in levels)
    assert longer.get_summary().experiments == extended.get_summary().experiments
