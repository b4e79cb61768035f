"""Limits that protect a shared server from expensive specs. Each is a setting of the service.

The library has no limits in a notebook. The service validates a spec with its `Limits` as
pydantic's context, so an exceeded limit is reported together with all other wrong fields.
"""

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo

_UNBOUNDED, _UNBOUNDED_BYTES = 10**9, 10**18


class Limits(BaseModel):
    """Upper bounds, inclusive."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_parameters: int = Field(
        default=_UNBOUNDED, ge=1, description="weights and biases of a network"
    )
    max_layers: int = Field(default=_UNBOUNDED, ge=1, description="layers of a network")
    max_epochs: int = Field(default=_UNBOUNDED, ge=1, description="a level given in epochs")
    max_iterations: int = Field(default=_UNBOUNDED, ge=1, description="a level in steps")
    max_batch_size: int = Field(default=_UNBOUNDED, ge=1, description="samples in a batch")
    max_rounds: int = Field(default=_UNBOUNDED, ge=1, description="pruning rounds of an experiment")
    max_experiments: int = Field(default=_UNBOUNDED, ge=1, description="experiments of a session")
    max_trials: int = Field(default=_UNBOUNDED, ge=1, description="trials of a robust job")
    max_evaluations: int = Field(default=_UNBOUNDED, ge=1, description="evaluations of a level")
    max_snapshot_bytes: int = Field(
        default=_UNBOUNDED_BYTES,
        ge=1,
        description="weights that a dense training keeps on disk for late rewinds: 4 bytes a "
        "parameter and distinct rewind point after step 0",
    )
    max_run_memory: int | None = Field(
        default=None,
        ge=1,
        description="estimated bytes of memory of a run, checked at submission; none: the memory "
        "of the largest worker of the pool, if a worker is registered",
    )


SERVER_LIMITS = Limits(
    max_parameters=50_000_000,
    max_layers=64,
    max_epochs=1_000,
    max_iterations=1_000_000,
    max_batch_size=4_096,
    max_rounds=50,
    max_experiments=200,
    max_trials=100,
    max_evaluations=20_000,
    max_snapshot_bytes=2_000_000_000,
)
"""The default limits of the service."""

UNBOUNDED = Limits()


def limits_of(info: ValidationInfo) -> Limits:
    """The limits of a validation, from its context; without a context, no limits."""
    context = info.context
    return context if isinstance(context, Limits) else UNBOUNDED


def bounded(value: int, most: int, what: str) -> int:
    """Return `value`, or raise a `ValueError` that names the exceeded limit."""
    if value > most:
        raise ValueError(f"{value} {what} are more than the limit of {most}")
    return value
