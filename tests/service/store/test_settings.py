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
