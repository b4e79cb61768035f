"""The contract of all resets; new members are tested automatically."""

import numpy as np
import pytest
from pydantic import TypeAdapter

from lth.core.family import kind_of, members
from lth.reinit import KernelState, Reinit

ADAPTER = TypeAdapter(Reinit)
KINDS = [kind_of(member) for member in members(Reinit)]
SIGNED = [kind_of(member) for member in members(Reinit) if "keep_sign" in member.model_fields]


@pytest.fixture
def kernel():
    rng = np.random.default_rng(0)
    rewind, trained, fresh = rng.normal(0, 0.05, (3, 40, 30)).astype(np.float32)
    rewind[0, :4] = [0.0, -0.0, 0.0, -0.0]
    return KernelState(rewind, trained, fresh, rng.random((40, 30)) < 0.3, stddev=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_a_reset_gives_a_finite_kernel_of_the_same_shape(kind, kernel):
    reset_kernel = ADAPTER.validate_python(kind).reset(kernel, np.random.default_rng(0))
    assert reset_kernel.shape == kernel.rewind.shape
    assert reset_kernel.dtype == np.float32
    assert np.isfinite(reset_kernel).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_reset_depends_only_on_the_kernel_and_the_random_stream(kind, kernel):
    reset = ADAPTER.validate_python(kind)
    once, again = (reset.reset(kernel, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(once, again)


@pytest.mark.parametrize("kind", KINDS)
def test_a_reset_does_not_change_its_input(kind, kernel):
    before = kernel.rewind.copy(), kernel.trained.copy(), kernel.fresh.copy(), kernel.mask.copy()
    ADAPTER.validate_python(kind).reset(kernel, np.random.default_rng(0))
    after = kernel.rewind, kernel.trained, kernel.fresh, kernel.mask
    for array, copy in zip(after, before, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("kind", KINDS)
def test_learning_rates_keep_their_number_and_type(kind):
    rates = np.linspace(1, 0.1, 10, dtype=np.float32)
    after = ADAPTER.validate_python(kind).learning_rates(rates)
    assert after.shape == rates.shape
    assert after.dtype == np.float32


@pytest.mark.parametrize("kind", SIGNED)
def test_keep_sign_keeps_the_signs_of_the_rewind_point(kind, kernel):
    document = {"kind": kind, "keep_sign": True}
    if kind == "jitter":
        document["noise"] = 10.0
    reset_kernel = ADAPTER.validate_python(document).reset(kernel, np.random.default_rng(0))
    # A reshuffle may assign a zero, which has no sign.
    assert not np.any(np.sign(reset_kernel) * np.sign(kernel.rewind) < 0)


@pytest.mark.parametrize("kind", SIGNED)
def test_a_weight_with_an_initial_value_of_zero_has_no_sign_to_keep(kind, kernel):
    """It is drawn as without the option; it is neither zero nor always positive."""
    document = {"kind": kind, "keep_sign": True}
    mask = np.ones_like(kernel.mask)
    whole = KernelState(kernel.rewind, kernel.trained, kernel.fresh, mask, kernel.stddev)
    draws = [
        ADAPTER.validate_python(document).reset(whole, np.random.default_rng(seed))[0, :4]
        for seed in range(8)
    ]
    assert np.all(np.array(draws) != 0)
    assert kind == "random" or len({np.sign(draw).tobytes() for draw in draws}) > 1


@pytest.mark.parametrize("kind", SIGNED)
def test_without_keep_sign_signs_change(kind, kernel):
    document = {"kind": kind, "noise": 10.0} if kind == "jitter" else kind
    reset_kernel = ADAPTER.validate_python(document).reset(kernel, np.random.default_rng(0))
    kept = kernel.mask & (kernel.rewind != 0)
    changed = np.sign(reset_kernel[kept]) != np.sign(kernel.rewind[kept])
    assert 0.3 < changed.mean() < 0.7


@pytest.mark.parametrize("kind", KINDS)
def test_a_reset_survives_a_json_round_trip(kind):
    reset = ADAPTER.validate_python(kind)
    assert ADAPTER.validate_json(ADAPTER.dump_json(reset)) == reset


@pytest.mark.parametrize("member", members(Reinit), ids=kind_of)
def test_a_reset_has_a_docstring_with_a_reference(member):
    assert "Reference:" in member.__doc__
