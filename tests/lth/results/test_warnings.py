"""Warnings about results that may mislead."""

import pytest

from lth.plots import accuracy_by_density, learning_curves
from lth.results.schemas import EvaluationData, RunResult
from lth.results.statistics import summarise
from lth.results.warnings import remarks
from tests.lth.plots.made_up import run, stopping

SHORT = "is at the last evaluation of every level: the training is too short for the early stop"


def test_a_training_is_too_short_if_every_level_ends_at_its_best() -> None:
    (remark,) = remarks([stopping(run(), True, True)])
    assert remark.startswith(f"the least validation loss of 'ticket' {SHORT}")


@pytest.mark.parametrize("ends", [(True, False), (False, True), (False, False)])
def test_a_training_is_long_enough_if_the_loss_of_one_level_rises(ends: tuple[bool, bool]) -> None:
    assert remarks([stopping(run(), *ends)]) == ()


def test_a_training_is_long_enough_if_the_loss_of_one_trial_rises() -> None:
    results = [stopping(run(trial=1), True, True), stopping(run(trial=2), True, False)]
    assert remarks(results) == ()


def test_a_remark_names_a_limited_number_of_experiments() -> None:
    names = ["a", "b", "c", "d", "e"]
    ended = [stopping(run(experiment=name), True, True) for name in names]
    risen = stopping(run(experiment="z"), True, False)

    def of(results: list[RunResult]) -> str:
        return remarks(results)[0].partition(" loss of ")[2].partition(" is at ")[0]

    assert of([risen, *ended[:1]]) == "'a'"
    assert of([risen, *ended[:2]]) == "'a' and 'b'"
    assert of([risen, *ended]) == "'a', 'b', 'c' and 2 more"
    assert of(ended) == "every experiment"


def test_there_are_no_remarks_without_results() -> None:
    assert remarks([]) == ()


def test_summaries_and_pictures_with_early_stops_show_the_remark() -> None:
    result = stopping(run(), True, True)
    summary = summarise([result])
    assert summary.remarks == remarks([result])
    assert str(summary).splitlines()[-1] == summary.remarks[0]
    for plot in (accuracy_by_density([result]), learning_curves(result)):
        assert SHORT in plot.texts[1].get_text().replace("\n", " ")
    assert SHORT not in str(summarise([stopping(run(), True, False)]))


@pytest.mark.parametrize(("accuracy", "said"), [(0.1, 1), (0.11, 1), (0.14, 0), (0.9, 0)])
def test_an_experiment_that_guesses_is_reported(accuracy: float, said: int) -> None:
    """1,000 guesses of a class with 10 % are right in 8.1 to 11.9 % of the cases."""
    result = run()
    scores = result.levels[0].early_stop.test.model_copy(update={"accuracy": accuracy})
    levels = tuple(
        level.model_copy(
            update={"early_stop": level.early_stop.model_copy(update={"test": scores})}
        )
        for level in result.levels
    )
    data = EvaluationData(number=1_000, majority=0.1)
    found = remarks([result.model_copy(update={"levels": levels, "test_samples": data})])
    assert len(found) == said
    assert all("no level of 'ticket' is better than guessing" in one for one in found)


def test_a_layer_without_surviving_weights_is_reported_once() -> None:
    result = run((1.0, 0.5, 0.2))
    dead = tuple(layer.model_copy(update={"kept": 0}) for layer in result.levels[1].layers[:1])
    levels = (
        result.levels[0],
        *(
            each.model_copy(update={"layers": (*dead, *each.layers[1:])})
            for each in result.levels[1:]
        ),
    )
    (found,) = remarks([result.model_copy(update={"levels": levels})])
    assert found == f"layer '{dead[0].name}' of 'ticket' has no surviving weights from level 1 on"
