"""All settings of the service, read from environment variables (``LTH_...``).

Two underscores separate nested names, for example ``LTH_LIMITS__MAX_PARAMETERS``.
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from limits import parse
from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from lth.client.tokens import TOKEN
from lth.core.limits import SERVER_LIMITS, Limits
from service.renamed_settings import renamed_settings

EXAMPLE_SECRETS = frozenset({"change-me", "changeme", "secret", "password", "example"})
"""Secrets of examples; they are refused in production."""
_FORMS: dict[str | None, str] = {
    "database_url": "postgresql://USER:PASSWORD@HOST/NAME",
    "broker_url": "redis://:PASSWORD@HOST:PORT/0",
}
POOL = "^[a-z0-9-]{1,32}$"
"""The pattern of a pool's name."""
Pools = Annotated[tuple[Annotated[str, Field(pattern=POOL)], ...], NoDecode]
_SHORTEST_SECRET = 16


class Settings(BaseSettings):
    """The settings of a process. They are read once at its start, and passed to its functions."""

    model_config = SettingsConfigDict(
        env_prefix="LTH_",
        env_nested_delimiter="__",
        nested_model_default_partial_update=True,
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
    )

    environment: Literal["development", "production"] = Field(
        default="development",
        description="production refuses secrets from examples, and logs as JSON",
    )
    database_url: str = Field(
        default="postgresql://lth@localhost/lth", repr=False, description="PostgreSQL, 14 or newer"
    )
    broker_url: str = Field(
        default="redis://localhost:6379/0",
        pattern="^rediss?://",
        repr=False,
        description="Redis or Valkey, for hints to workers",
    )
    object_store_url: str = Field(
        default="file:///var/lib/lth/blobs",
        pattern="^(s3|file)://",
        description="the object store: s3://bucket/prefix, or a folder as file:///path",
    )
    object_store_options: dict[str, str] = Field(
        default_factory=dict,
        repr=False,
        description="further options of the object store as JSON, for example "
        '{"endpoint": "http://object-store:8333", "region": "us-east-1"}',
    )
    health_dir: Path | None = Field(
        default=None,
        description="private folder for the files with which beat and worker report to the health "
        "check of their container; none: no files",
    )
    datasets_dir: Path | None = Field(
        default=None, description="folder where NAME.npz of a data set is looked for first"
    )
    admin_key: SecretStr | None = Field(
        default=None,
        description="API key of the first administrator; 'lth up' creates its own",
    )
    stack_secret: SecretStr | None = Field(
        default=None,
        description="created by 'lth up' at each start; its API uses it to prove its identity to "
        "clients before they send a key",
    )
    signing_secret: SecretStr | None = Field(
        default=None, description="signs webhooks; at least 16 characters outside development"
    )
    webhook_private_addresses: bool = Field(
        default=False, description="whether webhooks may call addresses of private networks"
    )
    webhook_seconds: float = Field(
        default=5, gt=0, description="how often webhooks that are due are looked for"
    )
    limits: Limits = Field(default=SERVER_LIMITS, description="bounds on what a spec may ask for")

    watchdog_seconds: float = Field(
        default=60,
        gt=0,
        description="an API process that answers no request for this long ends, so that its "
        "supervisor restarts it",
    )
    database_pool: int = Field(
        default=10, ge=1, description="the most database connections of a process"
    )
    rate_limit: str | None = Field(
        default="30000/minute",
        description="rate limit of an owner, such as '100/second'; none: unlimited",
    )
    max_connections: int | None = Field(
        default=None,
        ge=8,
        description="the most open connections of an API process; none: half of its file "
        "descriptors, at most 10000; half of its file descriptors is always the maximum",
    )
    max_address_connections: int | None = Field(
        default=None,
        ge=1,
        description="the most open connections of one client address without a valid key, except "
        "trusted proxies; none: a quarter of max_connections",
    )
    head_seconds: float = Field(
        default=10, gt=0, description="the longest that a client may take to send a request's head"
    )
    stalled_seconds: float = Field(
        default=60,
        gt=0,
        description="a connection is closed if its client neither sends nor reads awaited data "
        "for this long",
    )
    event_streams: int = Field(
        default=500,
        ge=1,
        description="the most event streams of an owner in an API process; at most a quarter of "
        "max_connections",
    )
    max_body_bytes: int = Field(default=2_000_000, ge=1, description="of a JSON request")
    max_upload_bytes: int = Field(default=2_000_000_000, ge=1, description="of a data set's file")
    max_dataset_bytes: int = Field(
        default=8_000_000_000, ge=1, description="of a data set's arrays, decoded"
    )

    drawing_seconds: float = Field(
        default=30, gt=0, description="the longest that drawing a picture may take"
    )
    drawing_places: int = Field(
        default=16, ge=1, description="pictures that may wait for the process that draws them"
    )

    lease_seconds: float = Field(
        default=30, gt=0, description="a run whose worker was silent this long is given to another"
    )
    heartbeat_seconds: float = Field(
        default=5, gt=0, description="how often a worker renews its lease"
    )
    sweep_seconds: float = Field(
        default=5, gt=0, description="how often lost runs and lost hints are looked for"
    )
    housekeeping_seconds: float = Field(
        default=600, gt=0, description="how often what is old or unused is deleted"
    )
    max_losses: int = Field(
        default=3, ge=1, description="a run that loses its worker this often fails as worker_lost"
    )
    checkpoint_seconds: float = Field(
        default=180, ge=0, description="time between checkpoints inside a level"
    )
    max_run_seconds: int = Field(
        default=7 * 24 * 3600, ge=1, description="a run longer than this fails as timeout"
    )
    commit_retry_seconds: float = Field(
        default=600,
        ge=0,
        description="how long a worker retries to save a finished run while the database or the "
        "object store is unavailable",
    )
    ageing_seconds: float = Field(
        default=600, ge=0, description="waiting this long weighs as much as one point of priority"
    )
    usage_half_life_seconds: float = Field(
        default=3600,
        gt=0,
        description="the half-life of an owner's past usage in the order of claims",
    )

    default_visibility: Literal["private", "team"] = Field(
        default="private",
        description="who sees a job or data set of a request that names no team: 'private' is its "
        "owner alone, 'team' is the owner's home team too",
    )

    default_pool: str = Field(
        default="cpu", pattern=POOL, description="pool of workers for jobs that name none"
    )
    pools: Pools = Field(
        default=("cpu", "gpu"),
        description="pools that jobs may name before a worker has served them, comma-separated; "
        "default_pool and worker_pools are always among them",
    )
    worker_pools: Pools = Field(
        default=(), description="pools that this worker serves, comma-separated; none: by device"
    )
    worker_processes: int | None = Field(
        default=None,
        ge=1,
        description="runs at once on this machine; none: one a GPU, or a core with 2.5 GB",
    )
    machine_memory: int | None = Field(
        default=None,
        ge=1,
        description="bytes of memory that the runs of this machine may use together, without GPUs; "
        "none: its memory, or the limit of its control group (container)",
    )
    unresponsive_seconds: float = Field(
        default=60,
        gt=0,
        description="if a run does not stop for this long after it was told to, its process is "
        "killed",
    )
    stall_seconds: float = Field(
        default=3600,
        gt=0,
        description="if a run gives no sign of life for this long, such as on a hanging GPU, "
        "its process is killed, and another process continues the run",
    )
    drain_seconds: float = Field(
        default=20, ge=0, description="grace after SIGTERM to reach a checkpoint"
    )
    poll_seconds: float = Field(
        default=15,
        gt=0,
        description="how often an idle worker asks Postgres for runs, in case a hint was lost",
    )
    idle_recycle_seconds: float = Field(
        default=300, gt=0, description="an idle child gives its GPU's memory back after this long"
    )
    idle_memory_bytes: int = Field(
        default=1_000_000_000,
        ge=0,
        description="an idle child without a GPU is replaced if it holds so much more memory than "
        "at its start after it has released data sets",
    )
    gpu_foreign_share: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="no run is claimed while other programs use more than this share of the GPU's "
        "memory",
    )

    execution: str = Field(
        default="lth.study.execution",
        description="the module that executes runs; tests use another one",
    )

    retention_days: float | None = Field(
        default=None, gt=0, description="finished jobs are deleted after this long; none: never"
    )
    keep_label: str = Field(
        default="keep", description="a job with this label is never deleted by age"
    )
    blob_grace_seconds: float = Field(
        default=3600, ge=0, description="blobs younger than this are never collected"
    )
    trunk_days: float = Field(
        default=30, gt=0, description="a dense training that no run used for this long is deleted"
    )
    idempotency_hours: float = Field(
        default=24, gt=0, description="how long an Idempotency-Key is remembered"
    )
    proxy_artifacts: bool = Field(
        default=False, description="send artifacts through the API instead of redirecting to S3"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The arguments, then the environment, then the environment's old names of settings."""
        return init_settings, env_settings, InitSettingsSource(settings_cls, renamed_settings())

    @property
    def lease(self) -> timedelta:
        """How long a lease lasts without a heartbeat."""
        return timedelta(seconds=self.lease_seconds)

    @field_validator("pools", "worker_pools", mode="before")
    @classmethod
    def _split(cls, pools: object) -> object:
        if not isinstance(pools, str):
            return pools
        return tuple(name for part in pools.split(",") if (name := part.strip()))

    @field_validator("database_url", "broker_url")
    @classmethod
    def _is_an_address(cls, url: str, info: ValidationInfo) -> str:
        """Check an address before a library does, whose message might show its password."""
        if not _is_unambiguous(url):
            raise ValueError(
                f"this is not an address; expected {_FORMS[info.field_name]}, with special "
                "characters of the password as %XX, such as %40 for @ and %2F for /"
            )
        return url

    @field_validator("rate_limit")
    @classmethod
    def _is_a_rate(cls, limit: str | None) -> str | None:
        if limit:
            parse(limit)
        return limit

    @model_validator(mode="after")
    def _lease_outlives_heartbeats(self) -> "Settings":
        if self.lease_seconds < 2 * self.heartbeat_seconds:
            raise ValueError(
                f"lease_seconds ({self.lease_seconds:g}) must be at least twice "
                f"heartbeat_seconds ({self.heartbeat_seconds:g}), or one late heartbeat loses a run"
            )
        return self

    @model_validator(mode="after")
    def _secrets_are_secret(self) -> "Settings":
        if self.environment == "development":
            return self
        for where, value in (
            ("LTH_DATABASE_URL", self.database_url),
            ("LTH_BROKER_URL", self.broker_url),
            ("LTH_SIGNING_SECRET", _revealed(self.signing_secret)),
            ("LTH_ADMIN_KEY", _revealed(self.admin_key)),
            *(("LTH_OBJECT_STORE_OPTIONS", value) for value in self.object_store_options.values()),
        ):
            if any(part in EXAMPLE_SECRETS for part in _words(value)):
                raise ValueError(f"{where} holds a secret from an example; choose your own")
        length = len(_revealed(self.signing_secret))
        if self.signing_secret and length < _SHORTEST_SECRET:
            raise ValueError(
                f"LTH_SIGNING_SECRET has {length} characters; choose one of {_SHORTEST_SECRET} or "
                "more, such as 'openssl rand -hex 24' makes"
            )
        return self

    @model_validator(mode="after")
    def _admin_key_is_a_key(self) -> "Settings":
        if self.admin_key is not None and not TOKEN.fullmatch(self.admin_key.get_secret_value()):
            raise ValueError(
                "LTH_ADMIN_KEY is not a key: write 'lth_', ten small letters or digits, '_', and "
                "at least 24 letters, digits, '-' or '_'; 'lth keys operator' makes one"
            )
        return self


def _is_unambiguous(url: str) -> bool:
    """Whether all libraries find the same password and the same host in an address."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    user = parts.netloc.rpartition("@")[0]
    rest = "" if user else parts.path + parts.query.partition("=")[0] + parts.fragment
    without_host = port is not None and parts.hostname is None
    return bool(parts.scheme) and not without_host and "@" not in user + rest


def _revealed(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""


def _words(value: str) -> list[str]:
    """The parts of a URL that could be a secret."""
    for separator in ":@/?&=":
        value = value.replace(separator, " ")
    return value.split()
