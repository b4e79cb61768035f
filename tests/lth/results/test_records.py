"""Results as tables: the same columns in every row, and unchanged numbers."""

import csv
from io import StringIO

from lth import LotteryModel, LotteryRobust
from lth.results.records import as_csv, measures, records
from lth.results.schemas import At, Scores, Untrained
from lth.results.statistics import METRICS
from tests.lth.own import OWN, SHORT, small
from tests.lth.plots.made_up import robust, run

TICKET = {"name": "ticket", "pruning": {"schedule": {"kind": "one_shot", "sparsity": 0.5}}}


def test_there_is_one_row_for_each_trial_experiment_and_level() -> None:
    rows = records(robust(2, (1.0, 0.5, 0.2)))
    assert [(row["trial"], row["experiment"], row["level"]) for row in rows] == [
        (trial, experiment, level)
        for trial in (1, 2)
        for experiment in ("ticket", "control")
        for level in (0, 1, 2)
    ]
    assert {tuple(row) for row in rows} == {tuple(rows[0])}


def test_every_number_of_a_level_has_the_name_of_its_field() -> None:
    def scores(number: float) -> Scores:
        return Scores(loss=number, accuracy=number / 100, top5=number / 10)

    level = (
        run()
        .levels[1]
        .model_copy(
            update={
                "early_stop": At(iteration=20, validation=scores(1), test=scores(2)),
                "final": At(iteration=30, validation=scores(3), test=scores(4)),
                "untrained": Untrained(
                    masked=scores(5), signed_constant=scores(6), rescaled=scores(7)
                ),
            }
        )
    )
    points = {
        "early_stop_validation": 1,
        "early_stop_test": 2,
        "final_validation": 3,
        "final_test": 4,
        "untrained": 5,
        "untrained_signed_constant": 6,
        "untrained_rescaled": 7,
    }
    expected = {"early_stop_iteration": 20, "final_iteration": 30}
    for point, number in points.items():
        expected[f"{point}_loss"] = number
        expected[f"{point}_accuracy"] = number / 100
        expected[f"{point}_top5"] = number / 10
    assert measures(level) == expected
    assert set(METRICS) <= set(expected)


def test_a_value_that_was_not_measured_is_none() -> None:
    dense, pruned = records([run()])
    assert dense["untrained_accuracy"] is None
    assert pruned["untrained_accuracy"] is not None
    assert dense["final_test_top5"] is None
    assert dense["kept"] == 266_200


def test_a_csv_file_reads_back_as_the_same_rows() -> None:
    rows = records(robust(2))
    text = as_csv(rows).decode()
    read = list(csv.DictReader(StringIO(text, newline="")))
    assert list(read[0]) == list(rows[0])
    assert [float(row["final_test_loss"]) for row in read] == [
        row["final_test_loss"] for row in rows
    ]
    assert read[0]["untrained_accuracy"] == ""
    assert "\r" not in text


def test_a_model_a_session_and_trials_have_records() -> None:
    model = LotteryModel(small(), OWN, SHORT)
    assert model.records() == []
    model.one_shot(0.5)
    alone = model.records()
    assert [row["level"] for row in alone] == [0, 1]
    study = LotteryRobust(small(), OWN, SHORT, trials=2)
    study.run([TICKET])
    session = study.sessions[0]

    def timeless(rows: list[dict]) -> list[dict]:
        timed = {"seconds", "samples_per_second"}
        return [{name: row[name] for name in row.keys() - timed} for row in rows]

    assert timeless(session.records()) == timeless(alone)
    assert timeless(study.records()[:2]) == timeless(alone)
    assert [row["trial"] for row in study.records()] == [1, 1, 2, 2]
    assert {type(value) for row in alone for value in row.values()} <= {
        int,
        float,
        str,
        bool,
        type(None),
    }
