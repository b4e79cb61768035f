"""Estimates use measured speeds, give a range, and name their basis."""

from collections.abc import Sequence

import pytest

from lth.spec.document import parse_spec
from service.api.jobs.estimating import Work, estimate
from service.store.runs.speeds import Measured

SPEC = parse_spec({"kind": "model"})
ONE = [Work("a", (), 1_000)]


def measured(speed: float, other: float | None = None, **fields) -> Measured:
    spec = parse_spec({"kind": "model", **fields})
    return Measured(spec.model_dump(mode="json"), speed, other)


def dense(*units: int) -> dict:
    layers = ["flatten", *({"kind": "linear", "units": each} for each in (*units, 10))]
    return {"kind": "layers", "layers": layers}


def test_there_is_no_estimate_without_measurements():
    estimated = estimate(SPEC, ONE, [], workers=2)
    assert (estimated.basis, estimated.measured_runs) == ("nothing_measured", 0)
    assert estimated.device_seconds is estimated.elapsed_seconds is estimated.device_range is None


def test_there_is_no_estimate_from_networks_that_are_not_similar():
    tiny, conv = measured(9e5, network=dense(1)), measured(90.0, network="conv-2")
    estimated = estimate(SPEC, ONE, [tiny, conv], workers=2)
    assert (estimated.basis, estimated.device_seconds) == ("nothing_similar", None)


def test_runs_of_the_same_network_take_precedence():
    others = [measured(7.0, network="conv-2"), measured(7.0, training={"batch_size": 10})]
    same = [measured(100.0), measured(300.0, seed=5), measured(200.0, name="x")]
    estimated = estimate(SPEC, ONE, [*others, *same], workers=1)
    assert (estimated.basis, estimated.measured_runs) == ("same_network", 3)
    assert estimated.samples_per_second == 200
    assert estimated.device_seconds == pytest.approx(5)
    assert estimated.device_range == pytest.approx((1_000 / 300, 10))


def test_few_measurements_give_a_wider_range():
    estimated = estimate(SPEC, ONE, [measured(100.0)], workers=1)
    assert estimated.device_range == pytest.approx((8, 12.5))


def test_the_start_and_the_files_of_each_run_are_added():
    work = [Work("a", (), 1_000), Work("b", (), 3_000)]
    same = [measured(100.0, other) for other in (2.0, 4.0, 3.0, None)]
    estimated = estimate(SPEC, work, same, workers=1)
    assert estimated.device_seconds == pytest.approx(40 + 2 * 3)
    assert estimated.device_range == pytest.approx((40 + 2 * 2, 40 + 2 * 4))
    assert estimated.elapsed_seconds == pytest.approx(46)


def test_the_long_start_of_the_first_run_is_not_expected_of_all():
    estimated = estimate(SPEC, ONE * 1, [measured(100.0, 30.0)], workers=1)
    assert estimated.device_seconds == pytest.approx(40)
    assert estimated.device_range == pytest.approx((8, 12.5 + 30))


def test_the_speed_of_a_similar_network_bounds_the_range():
    # A network with twice the work is between as fast and half as fast.
    other = measured(100.0, network=dense(600, 100))
    estimated = estimate(SPEC, ONE, [other], workers=1)
    assert (estimated.basis, estimated.measured_runs) == ("similar_networks", 1)
    least, most = estimated.device_range or (0, 0)
    assert least < estimated.device_seconds < most
    assert most == pytest.approx(10 * 1.25)
    assert least < 10 / 1.5


def test_the_nearest_networks_are_used():
    near = [measured(100.0, network=dense(300 + n, 100)) for n in range(10)]
    far = [measured(1.0, network=dense(1_500, 100)) for _ in range(50)]
    assert estimate(SPEC, ONE, [*far, *near], workers=1).device_seconds == pytest.approx(
        10, rel=0.1
    )


def test_specs_of_an_older_version_are_ignored():
    estimated = estimate(SPEC, ONE, [Measured({"kind": "gone"}, 5.0)], workers=1)
    assert estimated.basis == "nothing_similar"


@pytest.mark.parametrize(
    ("workers", "seconds"),
    [(1, 80), (2, 40), (3, 30), (9, 30)],
)
def test_workers_share_the_runs_in_their_order(workers: int, seconds: float):
    # A trunk, two experiments that need it, a control that needs one of them, twice.
    def trial(n: int) -> Sequence[Work]:
        return [
            Work(f"{n}/trunk", (), 1_000),
            Work(f"{n}/a", (f"{n}/trunk",), 1_000),
            Work(f"{n}/b", (f"{n}/trunk",), 1_000),
            Work(f"{n}/c", (f"{n}/trunk", f"{n}/a"), 1_000),
        ]

    estimated = estimate(SPEC, [*trial(1), *trial(2)], [measured(100.0)] * 3, workers)
    assert estimated.device_seconds == pytest.approx(80)
    assert estimated.elapsed_seconds == pytest.approx(seconds)


def test_without_a_worker_there_is_no_elapsed_time():
    estimated = estimate(SPEC, ONE, [measured(100.0)], workers=0)
    assert (estimated.device_seconds, estimated.elapsed_seconds) == (pytest.approx(10), None)
