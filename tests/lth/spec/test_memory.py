"""The estimate of a run's memory. `benchmarks.memory` compares it with what runs use."""

import pytest

from lth.networks.evaluation import evaluation_batch
from lth.spec.document import Spec, parse_spec
from lth.spec.memory import estimate_memory, largest_batch
from tests.lth.wide import GIB, WIDE_NETWORK


def spec(network, batch_size: int = 60, **training) -> Spec:
    training = {"duration": "1ep", "batch_size": batch_size, **training}
    document = {"kind": "model", "dataset": "mnist", "network": network, "training": training}
    return parse_spec(document)


def wide(filters: int, batch_size: int = 200) -> Spec:
    """One convolution of 1x1 pixels: few parameters, many numbers for each sample."""
    first, *others = WIDE_NETWORK["layers"]
    layers = [{**first, "filters": filters}, *others]
    return spec({**WIDE_NETWORK, "layers": layers}, batch_size)


def test_a_wide_convolution_needs_far_more_than_its_parameters() -> None:
    """A spec with 720,000 parameters took 37 GB, and the kernel killed its worker."""
    estimate = estimate_memory(wide(60_000))
    assert estimate.total > 37e9
    assert estimate.layer == "layer 0 (conv2d)"
    assert estimate.weights < 0.2 * GIB
    assert max(estimate.training, estimate.evaluation) > 0.9 * estimate.total


@pytest.mark.parametrize("most", [6 * GIB, 12 * GIB, 40 * GIB])
def test_the_largest_batch_fits_and_a_larger_one_does_not(most: int) -> None:
    largest = largest_batch(wide(60_000), most)
    assert largest is not None
    assert estimate_memory(wide(60_000, largest)).total <= most
    assert estimate_memory(wide(60_000, largest + 1)).total > most


def test_no_batch_fits_if_the_process_alone_does_not() -> None:
    assert largest_batch(spec("lenet-300-100"), GIB // 2) is None


def test_every_batch_fits_into_much_memory() -> None:
    small = spec("lenet-300-100")
    assert largest_batch(small, 40 * GIB) == small.samples


@pytest.mark.parametrize(
    ("part", "more"),
    [
        ("weights", {"optimizer": {"kind": "adam", "learning_rate": 0.1}}),
        ("training", {"batch_size": 600}),
    ],
)
def test_parts_grow_with_their_causes(part: str, more: dict) -> None:
    few = spec("lenet-300-100", optimizer={"kind": "sgd", "learning_rate": 0.1})
    most = spec("lenet-300-100", **{"optimizer": {"kind": "sgd", "learning_rate": 0.1}, **more})
    assert getattr(estimate_memory(most), part) > getattr(estimate_memory(few), part)


def test_networks_of_the_papers_are_evaluated_as_before() -> None:
    for network in ("lenet-300-100", "conv-2", "conv-4", "conv-6"):
        assert evaluation_batch([layer.size for layer in spec(network).layers], 60) == 1_000


def test_large_networks_are_evaluated_in_smaller_batches_but_not_smaller_than_in_training() -> None:
    sizes = [layer.size for layer in wide(60_000).layers]
    assert evaluation_batch(sizes, 1) < 20
    assert evaluation_batch(sizes, 200) == 200
    assert evaluation_batch(sizes, 4_000) == 1_000
