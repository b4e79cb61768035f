"""Estimates use measured speeds, and name their basis."""

import pytest

from lth.spec.document import parse_spec
from service.api.jobs.planning import estimate
from service.store.runs.speeds import Measured

SPEC = parse_spec({"kind": "model"})


def measured(speed: float, **other) -> Measured:
    spec = parse_spec({"kind": "model", **other})
    return Measured(spec.model_dump(mode="json"), speed)


def test_nothing_measured_gives_no_estimate():
    made = estimate(SPEC, 1_000, [])
    assert (made.basis, made.device_seconds, made.measured_runs) == ("nothing_measured", None, 0)


def test_runs_of_the_same_network_are_the_best_measure():
    others = [measured(7.0, network="conv-2"), measured(7.0, training={"batch_size": 10})]
    same = [measured(100.0), measured(300.0, seed=5), measured(200.0, name="x")]
    made = estimate(SPEC, 1_000, [*others, *same])
    assert (made.basis, made.measured_runs) == ("same_network", 3)
    assert made.samples_per_second == 200
    assert made.device_seconds == pytest.approx(5)


def test_other_networks_are_scaled_by_their_size():
    big = {"kind": "layers", "layers": ["flatten", {"kind": "linear", "units": 10}]}
    other = parse_spec({"kind": "model", "network": big})
    made = estimate(SPEC, 1_000, [measured(100.0, network=big)])
    sizes = [sum(layer.parameters for layer in spec.layers) for spec in (SPEC, other)]
    assert made.basis == "other_networks"
    assert made.samples_per_second == pytest.approx(100 * sizes[1] / sizes[0])


def test_what_an_older_version_stored_is_passed_over():
    assert estimate(SPEC, 1, [Measured({"kind": "gone"}, 5.0)]).basis == "nothing_measured"
