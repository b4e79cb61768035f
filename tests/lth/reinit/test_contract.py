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
    made = ADAPTER.validate_python(kind).reset(kernel, np.random.default_rng(0))
    assert made.shape == kernel.rewind.shape
    assert made.dtype == np.float32
    assert np.isfinite(made).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_reset_follows_from_the_kernel_and_the_stream_alone(kind, kernel):
    reset = ADAPTER.validate_python(kind)
    once, again = (reset.reset(kernel, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(once, again)


@pytest.mark.parametrize("kind", KINDS)
def test_a_reset_leaves_what_it_is_given_as_it_is(kind, kernel):
    before = kernel.rewind.copy(), kernel.trained.copy(), kernel.fresh.copy(), kernel.mask.copy()
    ADAPTER.validate_python(kind).reset(kernel, np.random.default_rng(0))
    after = kernel.rewind, kernel.trained, kernel.fresh, kernel.mask
    for array, copy in zip(after, before, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("kind", KINDS)
def test_the_schedule_of_learning_rates_keeps_its_length_and_type(kind):
    rates = np.linspace(1, 0.1, 10, dtype=np.float32)
    after = ADAPTER.validate_python(kind).learning_rates(rates)
    assert after.shape == rates.shape
    assert after.dtype == np.float32


@pytest.mark.parametrize("kind", SIGNED)
def test_keep_sign_keeps_the_signs_of_the_rewind_point(kind, kernel):
    document = {"kind": kind, "keep_sign": True}
    if kind == "jitter":
        document["noise"] = 10.0
    made = ADAPTER.validate_python(document).reset(kernel, np.random.default_rng(0))
    # A reshuffle may deal a zero out, which is of either sign.
    assert not np.any(np.sign(made) * np.sign(kernel.rewind) < 0)


@pytest.mark.parametrize("kind", SIGNED)
def test_a_weight_that_began_at_zero_has_no_sign_to_keep(kind, kernel):
    """It is drawn as without the option, not held at zero and not made positive for ever."""
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
    made = ADAPTER.validate_python(document).reset(kernel, np.random.default_rng(0))
    kept = kernel.mask & (kernel.rewind != 0)
    changed = np.sign(made[kept]) != np.sign(kernel.rewind[kept])
    assert 0.3 < changed.mean() < 0.7


@pytest.mark.parametrize("kind", KINDS)
def test_a_reset_survives_its_own_json(kind):
    reset = ADAPTER.validate_python(kind)
    assert ADAPTER.validate_json(ADAPTER.dump_json(reset)) == reset


@pytest.mark.parametrize("member", members(Reinit), ids=kind_of)
def test_a_reset_says_what_it_does(member):
    assert "Reference:" in member.__doc__
