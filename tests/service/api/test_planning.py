"""Estimates use measured speeds, and name their basis."""

import pytest

from lth.spec.document import parse_spec
from service.api.jobs.planning import estimate
from service.store.runs.speeds import Measured

SPEC = parse_spec({"kind": "model"})


def measured(speed: float, **other) -> Measured:
    spec = parse_spec({"kind": "model", **other})
    return Measured(spec.model_dump(mode="json"), speed)


def test_there_is_no_estimate_without_measurements():
    estimated = estimate(SPEC, 1_000, [])
    assert (estimated.basis, estimated.device_seconds, estimated.measured_runs) == (
        "nothing_measured",
        None,
        0,
    )


def test_runs_of_the_same_network_take_precedence():
    others = [measured(7.0, network="conv-2"), measured(7.0, training={"batch_size": 10})]
    same = [measured(100.0), measured(300.0, seed=5), measured(200.0, name="x")]
    estimated = estimate(SPEC, 1_000, [*others, *same])
    assert (estimated.basis, estimated.measured_runs) == ("same_network", 3)
    assert estimated.samples_per_second == 200
    assert estimated.device_seconds == pytest.approx(5)


def test_speeds_of_other_networks_are_scaled_by_size():
    big = {"kind": "layers", "layers": ["flatten", {"kind": "linear", "units": 10}]}
    other = parse_spec({"kind": "model", "network": big})
    estimated = estimate(SPEC, 1_000, [measured(100.0, network=big)])
    sizes = [sum(layer.parameters for layer in spec.layers) for spec in (SPEC, other)]
    assert estimated.basis == "other_networks"
    assert estimated.samples_per_second == pytest.approx(100 * sizes[1] / sizes[0])


def test_specs_of_an_older_version_are_ignored():
    assert estimate(SPEC, 1, [Measured({"kind": "gone"}, 5.0)]).basis == "nothing_measured"
