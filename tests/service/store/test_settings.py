"""Settings refuse values that would fail later."""

import pytest
from pydantic import SecretStr, ValidationError

from service.settings import Settings


def test_every_setting_has_a_description() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LTH_LIMITS__MAX_PARAMETERS", "7")
    monkeypatch.setenv("LTH_WORKER_POOLS", "gpu, big, ")

    settings = Settings()

    assert settings.limits.max_parameters == 7
    assert settings.limits.max_trials == 100, "other limits keep their defaults"
    assert settings.worker_pools == ("gpu", "big")


def test_example_secrets_are_refused_outside_development() -> None:
    example = "postgresql://lth:change-me@db/lth"
    assert Settings(database_url=example)
    with pytest.raises(ValidationError, match="LTH_DATABASE_URL"):
        Settings(environment="production", database_url=example)


WRONG = [
    ("broker_url", "localhost:6379"),
    ("object_store_url", "/var/lib/lth/blobs"),
    ("rate_limit", "lots"),
    ("worker_pools", "gpu, Big Ones"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_malformed_value_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValidationError, match=name):
        Settings.model_validate({name: value})


def test_a_short_signing_secret_is_refused_outside_development() -> None:
    assert Settings(signing_secret=SecretStr("s" * 15))
    assert Settings(environment="production", signing_secret=SecretStr("s" * 16))
    with pytest.raises(ValidationError, match="LTH_SIGNING_SECRET has 15 characters"):
        Settings(environment="production", signing_secret=SecretStr("s" * 15))


def test_a_lease_shorter_than_two_heartbeats_is_refused() -> None:
    with pytest.raises(ValidationError, match="at least twice"):
        Settings(lease_seconds=5, heartbeat_seconds=3)


@pytest.mark.parametrize(
    ("setting", "address"),
    [
        (
            "database_url",
            "postgresql://lth:p%40ss%2Fw%3Frd%23@db.internal:5432/lth?sslmode=require",
        ),
        ("database_url", "postgresql+psycopg://lth@db/lth"),
        ("database_url", "postgresql://lth_service@/lth?host=/tmp/a b@c#d/socket"),
        ("database_url", "postgresql:///lth"),
        ("database_url", "postgresql://[::1]/lth"),
        ("broker_url", "redis://:secret@broker:6379/0"),
        ("broker_url", "rediss://ada:secret@[::1]:6379/0?ssl_cert_reqs=required"),
        ("broker_url", "redis://localhost"),
    ],
)
def test_an_address_with_an_escaped_password_is_accepted(setting: str, address: str) -> None:
    assert getattr(Settings(**{setting: address}), setting) == address  # type: ignore[arg-type]


@pytest.mark.parametrize("setting", ["database_url", "broker_url"])
@pytest.mark.parametrize("tail", ["p@ss@host", "p/ss@host", "p?ss@host", "1#2@host", "1/2@host"])
def test_an_address_whose_password_is_not_escaped_is_refused_without_showing_it(
    setting: str, tail: str
) -> None:
    scheme = {"database_url": "postgresql", "broker_url": "redis"}[setting]
    with pytest.raises(ValidationError, match="special characters of the password") as refused:
        Settings(**{setting: f"{scheme}://lth:planted{tail}/0"})  # type: ignore[arg-type]
    assert "planted" not in str(refused.value)


def test_the_repr_of_the_settings_and_of_their_errors_shows_no_secret() -> None:
    fields = {
        "database_url": "postgresql://lth:planted@db/lth",
        "broker_url": "redis://:planted@broker",
        "object_store_options": {"secret_access_key": "planted"},
        "signing_secret": SecretStr("planted"),
    }
    assert "planted" not in repr(Settings(**fields))  # type: ignore[arg-type]
    with pytest.raises(ValidationError) as refused:
        Settings(**fields, lease_seconds=1)  # type: ignore[arg-type]
    assert "planted" not in str(refused.value)
