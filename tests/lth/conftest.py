"""Hypothesis draws the same examples in every run, and gives them as much time as they need.

So no run fails by the luck of its draw or of a busy machine. To look for new counterexamples:
``pytest tests/lth --hypothesis-profile=default``.
"""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")
