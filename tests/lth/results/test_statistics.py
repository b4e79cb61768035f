from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth.core.errors import SpecError
from lth.results.schemas import (
    At,
    Environment,
    History,
    LayerDensity,
    LevelResult,
    RunResult,
    Scores,
    Untrained,
)
from lth.results.statistics import METRICS, statistic, summarise, summarise_job
from lth.results.summary import Summary
from lth.spec.document import parse_spec

POINT = (0.5,)
HISTORY = History(
    iterations=(1,),
    train_loss=POINT,
    train_accuracy=POINT,
    validation_loss=POINT,
    validation_accuracy=POINT,
)


def scores(accuracy=0.9, loss=0.5, top5=None):
    return Scores(loss=loss, accuracy=accuracy, top5=top5)


def level(number=0, kept=100, accuracy=0.9, stop=10, untrained=True, top5=None):
    test = scores(accuracy, top5=top5)
    return LevelResult(
        level=number,
        density=kept / 100,
        sparsity=1 - kept / 100,
        layers=(LayerDensity(name="a", kept=kept, total=100, density=kept / 100),),
        history=HISTORY,
        early_stop=At(iteration=stop, validation=scores(loss=0.25), test=test),
        final=At(iteration=100, validation=scores(loss=0.5), test=test),
        untrained=Untrained(masked=scores(0.4), signed_constant=scores(0.8), rescaled=scores(0.6))
        if number and untrained
        else None,
        seconds=1.0,
        samples_per_second=1.0,
    )


def run(trial, *levels, experiment="ticket", seed=None, method=""):
    return RunResult(
        experiment=experiment,
        trial=trial,
        seed=trial if seed is None else seed,
        method=method,
        levels=levels or (level(),),
        trunk_reused=False,
        environment=Environment(device="cpu", xla=True, versions={}),
        seconds=1.0,
    )


def test_a_statistic_agrees_with_a_textbook():
    """t(0.975, 2) of Student's distribution is 4.3027."""
    found = statistic([1.0, 2.0, 6.0])
    assert (found.n, found.mean, found.median, found.min, found.max) == (3, 3, 2, 1, 6)
    assert found.stddev == pytest.approx(sqrt(7))
    assert found.interval == pytest.approx(
        (3 - 4.302653 * sqrt(7 / 3), 3 + 4.302653 * sqrt(7 / 3)), rel=1e-6
    )


def test_one_trial_has_no_deviation_and_no_interval():
    found = statistic([5.0])
    assert (found.n, found.mean, found.stddev, found.interval) == (1, 5, None, None)


def test_no_trial_is_an_error():
    with pytest.raises(SpecError, match="at least one"):
        statistic([])


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30))
def test_the_interval_contains_the_mean(values):
    found = statistic(values)
    low, high = found.interval
    assert low <= found.mean <= high
    assert found.stddev == pytest.approx(np.std(values, ddof=1))


def test_the_interval_covers_the_true_mean_with_its_probability():
    draws = np.random.default_rng(0).normal(size=(2_000, 5))
    intervals = [statistic(list(draw)).interval for draw in draws]
    covered = np.mean([low < 0 < high for low, high in intervals])
    assert covered == pytest.approx(0.95, abs=0.015)


def test_every_level_is_summarised_not_only_the_first_and_last():
    results = [
        run(trial, *(level(n, 100 - 20 * n, accuracy=0.9 + trial / 100) for n in range(4)))
        for trial in (1, 2, 3)
    ]
    (experiment,) = summarise(results).experiments
    assert experiment.experiment == "ticket"
    assert experiment.trials == (1, 2, 3)
    assert [one.level for one in experiment.levels] == [0, 1, 2, 3]
    assert [one.density for one in experiment.levels] == [1.0, 0.8, 0.6, 0.4]
    for one in experiment.levels:
        assert one.metrics["early_stop_test_accuracy"].mean == pytest.approx(0.92)
        assert one.metrics["early_stop_test_accuracy"].stddev == pytest.approx(0.01)


def test_a_level_has_only_metrics_that_were_measured():
    (experiment,) = summarise([run(1, level(0), level(1, 50, top5=0.99))]).experiments
    dense, pruned = (set(one.metrics) for one in experiment.levels)
    assert {name for name in METRICS if "untrained" not in name and "top5" not in name} == dense
    assert pruned == set(METRICS)


def test_every_metric_has_the_value_of_its_field():
    early = At(iteration=20, validation=scores(0.1, 1.0), test=scores(0.2, 2.0, top5=0.8))
    final = At(iteration=30, validation=scores(0.3, 3.0), test=scores(0.4, 4.0, top5=0.9))
    untrained = Untrained(
        masked=scores(0.5, 5.0), signed_constant=scores(0.6, 6.0), rescaled=scores(0.7, 7.0)
    )
    fields = {"early_stop": early, "final": final, "untrained": untrained}
    (experiment,) = summarise([run(1, level().model_copy(update=fields))]).experiments
    assert {name: found.mean for name, found in experiment.levels[0].metrics.items()} == {
        "early_stop_iteration": 20,
        "early_stop_test_accuracy": 0.2,
        "early_stop_test_loss": 2.0,
        "early_stop_test_top5": 0.8,
        "early_stop_validation_loss": 1.0,
        "final_test_accuracy": 0.4,
        "final_test_loss": 4.0,
        "final_test_top5": 0.9,
        "final_validation_loss": 3.0,
        "untrained_accuracy": 0.5,
        "untrained_signed_constant_accuracy": 0.6,
        "untrained_rescaled_accuracy": 0.7,
    }


def test_experiments_keep_their_order_and_trials_are_sorted():
    results = [run(2, experiment="z"), run(1, experiment="a"), run(1, experiment="z")]
    summary = summarise(results)
    assert [one.experiment for one in summary.experiments] == ["z", "a"]
    assert summary.experiments[0].trials == (1, 2)


def test_a_ticket_is_compared_with_its_own_dense_network():
    results = [
        run(trial, level(0, accuracy=dense, stop=20), level(1, 20, accuracy=pruned, stop=stop))
        for trial, dense, pruned, stop in (
            (1, 0.90, 0.92, 10),
            (2, 0.95, 0.96, 16),
            (3, 0.9, 0.89, 20),
        )
    ]
    (comparison,) = summarise(results).comparisons
    assert (comparison.experiment, comparison.against, comparison.level) == ("ticket", "dense", 1)
    accuracy = comparison.metrics["early_stop_test_accuracy"]
    assert accuracy.by_trial == pytest.approx({1: 0.02, 2: 0.01, 3: -0.01})
    assert accuracy.statistic.mean == pytest.approx(0.02 / 3)
    assert (accuracy.higher, accuracy.lower) == (2, 1)
    stop = comparison.metrics["early_stop_iteration"]
    assert stop.by_trial == {1: -10, 2: -4, 3: 0}
    assert (stop.higher, stop.lower) == (0, 2)


def test_a_ticket_is_compared_with_its_control_trial_by_trial():
    tickets = [run(trial, level(), level(1, 20, accuracy=0.97)) for trial in (1, 2, 3)]
    controls = [
        run(trial, level(), level(1, 20, accuracy=0.95), experiment="random") for trial in (2, 1)
    ]
    summary = summarise(tickets + controls, {"random": "ticket"})
    comparison = summary.comparisons[-1]
    assert (comparison.experiment, comparison.against) == ("ticket", "random")
    # Trial 3 has no control, so it is not compared.
    assert comparison.metrics["final_test_accuracy"].by_trial == pytest.approx({1: 0.02, 2: 0.02})


@pytest.mark.parametrize(("controlled", "compared"), [((3, 1), [[1]]), ((2,), [])])
def test_ticket_and_control_are_compared_in_the_trials_that_both_have(controlled, compared):
    ticket = run(1, level(), level(1, 20))
    controls = [run(each, level(), level(1, 20), experiment="random") for each in controlled]
    comparisons = summarise([ticket, *controls], {"random": "ticket"}).comparisons
    found = [part for part in comparisons if part.against == "random"]
    assert [list(part.metrics["final_test_accuracy"].by_trial) for part in found] == compared


def test_a_control_without_results_is_an_error():
    with pytest.raises(SpecError, match="there is no result of 'random', only of 'ticket'"):
        summarise([run(1)], {"random": "ticket"})


@pytest.mark.parametrize(
    ("results", "complaint"),
    [
        ([run(1), run(1, seed=9)], "trial 1 of 'ticket' was given 2 times"),
        ([run(1, seed=9), run(2, seed=9)], "seed 9 of 'ticket' was given 2 times"),
        (
            [run(1, method="a"), run(2, method="b")],
            "they differ in network, data, training",
        ),
        ([run(1), run(2, level(0), level(1, 50))], "levels of one have densities 1, .* 1, 0.5"),
        (
            [run(1, level(0), level(1, 50)), run(2, level(0), level(1, 51))],
            "1, 0.5, those of the other 1, 0.51",
        ),
        ([run(1, level(0)), run(2, level(1))], "not of the same experiment"),
    ],
)
def test_results_of_different_experiments_are_never_averaged(results, complaint):
    with pytest.raises(SpecError, match=complaint):
        summarise(results)


def test_a_summary_survives_a_json_round_trip():
    results = [run(trial, level(0), level(1, 50)) for trial in (1, 2)]
    summary = summarise(results)
    assert Summary.model_validate_json(summary.model_dump_json()) == summary


SPEC = parse_spec(
    {
        "kind": "robust",
        "trials": 5,
        "experiments": [
            {"name": "ticket"},
            {"name": "control", "control": {"kind": "random_weights", "of": "ticket"}},
        ],
    }
)


def test_the_summary_of_a_job_reports_its_coverage_of_the_plan():
    results = [run(trial, level(), level(1, 20)) for trial in (1, 3, 4)]
    results.append(run(3, level(), level(1, 20), experiment="control"))
    covered = summarise_job(SPEC, results).coverage
    assert covered.model_dump() == {
        "trials": 1,
        "trials_planned": 5,
        "results": 4,
        "results_planned": 10,
        "partial": 0,
        "complete": False,
    }


def test_a_summary_counts_the_trials_that_have_reached_a_level() -> None:
    results = [run(trial, level(), level(1, 20), level(2, 10)) for trial in (1, 3)]
    results.append(run(4, level(), level(1, 20)).model_copy(update={"partial": True}))
    summary = summarise_job(SPEC, results)
    (ticket,) = summary.experiments
    assert [one.metrics["final_test_loss"].n for one in ticket.levels] == [3, 3, 2]
    assert [one.metrics["final_test_accuracy"].statistic.n for one in summary.comparisons] == [3, 2]
    assert summary.coverage is not None
    assert (summary.coverage.results, summary.coverage.partial) == (2, 1)


def test_only_a_partial_result_may_have_fewer_levels() -> None:
    results = [run(1, level(), level(1, 20)), run(3, level())]
    with pytest.raises(SpecError, match="not of the same experiment"):
        summarise_job(SPEC, results)


def test_the_summary_of_a_finished_job_is_complete():
    results = [
        run(trial, level(), level(1, 20), experiment=name)
        for name in ("ticket", "control")
        for trial in range(1, 6)
    ]
    covered = summarise_job(SPEC, results).coverage
    assert (covered.complete, covered.trials, covered.results) == (True, 5, 10)


def test_a_control_is_compared_with_its_ticket_only_when_both_have_results():
    tickets = [run(trial, level(), level(1, 20)) for trial in (1, 2)]
    against = {part.against for part in summarise_job(SPEC, tickets).comparisons}
    assert against == {"dense"}
    control = run(2, level(), level(1, 20), experiment="control")
    against = {part.against for part in summarise_job(SPEC, [*tickets, control]).comparisons}
    assert against == {"dense", "control"}


def test_fields_of_a_later_version_are_ignored():
    result = run(1)
    document = result.model_dump()
    document["levels"][0]["history"]["later"] = document["levels"][0]["later"] = document[
        "later"
    ] = 1
    assert RunResult.model_validate(document) == result
    summary = summarise([result])
    assert Summary.model_validate(summary.model_dump() | {"later": 1}) == summary
