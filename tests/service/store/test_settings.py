"""Settings refuse what would only fail later."""

import pytest
from pydantic import ValidationError

from service.settings import Settings


def test_every_setting_is_described() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LTH_LIMITS__MAX_PARAMETERS", "7")
    monkeypatch.setenv("LTH_WORKER_POOLS", "gpu, big")

    settings = Settings()

    assert settings.limits.max_parameters == 7
    assert settings.limits.max_trials == 100, "the others stay as they are"
    assert settings.worker_pools == ("gpu", "big")


def test_example_secrets_are_refused_outside_development() -> None:
    example = "postgresql://lth:change-me@db/lth"
    assert Settings(database_url=example)
    with pytest.raises(ValidationError, match="LTH_DATABASE_URL"):
        Settings(environment="production", database_url=example)


def test_lease_shorter_than_two_heartbeats_is_refused() -> None:
    with pytest.raises(ValidationError, match="at least twice"):
        Settings(lease_seconds=5, heartbeat_seconds=3)
