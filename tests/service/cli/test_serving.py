"""Commands of servers with wrong settings: a message that says what to do, and exit code 6."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lth.cli import main as entry
from lth.client.tokens import new_token
from service.stack.environment import read_settings
from tests.e2e.compose import FILE, env_file

NOBODY = "postgresql://lth:hidden-word@127.0.0.1:1/lth"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """The message of a command that must end with exit code 6."""

    def run(*words: object) -> str:
        monkeypatch.setattr(sys, "argv", ["lth", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            entry.main()
        message = capsys.readouterr().err
        assert ended.value.code == 6, message
        return message

    return run


@pytest.mark.parametrize("command", ["migrate", "api", "beat", "worker", "up"])
def test_wrong_settings_are_named_as_the_operator_wrote_them(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    told: Callable[..., str],
) -> None:
    monkeypatch.setenv("LTH_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("LTH_DATABASE_URL", NOBODY)
    monkeypatch.setenv("LTH_LEASE_SECONDS", "long")
    monkeypatch.setenv("LTH_LIMITS__MAX_TRIALS", "some")
    said = told(command)
    assert "LTH_LEASE_SECONDS: " in said
    assert "(found 'long')" in said
    assert "LTH_LIMITS__MAX_TRIALS: " in said


def test_secrets_are_not_shown_when_they_are_wrong(
    monkeypatch: pytest.MonkeyPatch, told: Callable[..., str]
) -> None:
    monkeypatch.setenv("LTH_OBJECT_STORE_OPTIONS", '{"secret_access_key": 123456}')
    said = told("migrate")
    assert "LTH_OBJECT_STORE_OPTIONS" in said
    assert "123456" not in said
    monkeypatch.setenv("LTH_OBJECT_STORE_OPTIONS", "no json: 123456")
    said = told("migrate")
    assert "object_store_options" in said
    assert "123456" not in said


def test_a_misspelt_setting_is_reported_with_the_right_name(
    monkeypatch: pytest.MonkeyPatch, told: Callable[..., str]
) -> None:
    monkeypatch.setenv("LTH_ENVIROMENT", "production")
    monkeypatch.setenv("LTH_LIMIT__MAX_TRIALS", "3")
    said = told("migrate")
    assert "LTH_ENVIROMENT is not a setting; LTH_ENVIRONMENT is" in said
    assert "LTH_LIMIT__MAX_TRIALS is not a setting; LTH_LIMITS is" in said


OF_THE_CLIENT = ("LTH_SERVER", "LTH_API_KEY", "LTH_DATA_DIR")
OF_A_WORKER = ("LTH_WORKER_NODE", "LTH_TEST_NVML")
OF_KUBERNETES = ("LTH_SERVICE_HOST", "LTH_SERVICE_PORT", "LTH_PORT_8000_TCP_ADDR")
OF_COMPOSE = tuple(env_file(FILE.with_name(".env.example")))


@pytest.mark.parametrize("name", [*OF_THE_CLIENT, *OF_A_WORKER, *OF_KUBERNETES, *OF_COMPOSE])
def test_a_variable_of_another_program_is_not_a_misspelt_setting(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, new_token())
    assert read_settings()


def test_a_malformed_admin_key_is_reported_before_the_start(
    monkeypatch: pytest.MonkeyPatch, told: Callable[..., str]
) -> None:
    monkeypatch.setenv("LTH_ADMIN_KEY", "hunter2")
    said = told("api")
    assert "LTH_ADMIN_KEY is not a key: write 'lth_'" in said
    assert "hunter2" not in said


def test_an_example_secret_in_production_is_named(
    monkeypatch: pytest.MonkeyPatch, told: Callable[..., str]
) -> None:
    monkeypatch.setenv("LTH_ENVIRONMENT", "production")
    monkeypatch.setenv("LTH_ADMIN_KEY", "change-me")
    said = told("api")
    assert said.splitlines()[-1].strip().startswith("LTH_ADMIN_KEY holds a secret from an example")


@pytest.mark.parametrize("words", [("migrate",), ("up", "--port", 0), ("restore", __file__)])
def test_an_unavailable_database_is_reported_without_its_password(
    words: tuple[object, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    told: Callable[..., str],
) -> None:
    monkeypatch.setenv("LTH_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("LTH_DATABASE_URL", NOBODY)
    said = told(*words)
    assert "127.0.0.1:1/lth cannot be used" in said
    assert "hidden-word" not in said


def test_a_malformed_address_is_reported_with_the_expected_form(
    monkeypatch: pytest.MonkeyPatch, told: Callable[..., str]
) -> None:
    monkeypatch.setenv("LTH_DATABASE_URL", "lth on the big machine")
    assert "postgresql://USER:PASSWORD@HOST/NAME" in told("migrate")


def test_a_directory_that_cannot_be_created_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: Callable[..., str]
) -> None:
    file = tmp_path / "file"
    file.touch()
    said = told("up", "--data-dir", file)
    assert f"{file} cannot be used" in said
    assert "--data-dir" in said


def test_a_backup_of_an_empty_directory_creates_no_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: Callable[..., str]
) -> None:
    monkeypatch.delenv("LTH_DATABASE_URL", raising=False)
    place = tmp_path / "mistyped"
    said = told("backup", "--data-dir", place, tmp_path / "lth.tar")
    assert f"{place} has no data of a stack" in said
    assert not place.exists()


def test_correct_settings_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LTH_LEASE_SECONDS", "60")
    settings = read_settings(database_url=NOBODY)
    assert (settings.lease_seconds, settings.database_url) == (60, NOBODY)


def test_the_old_name_of_a_setting_works_with_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LTH_DEAF_SECONDS", "7")
    with pytest.warns(FutureWarning, match="renamed to LTH_UNRESPONSIVE_SECONDS"):
        assert read_settings().unresponsive_seconds == 7
    monkeypatch.setenv("LTH_UNRESPONSIVE_SECONDS", "8")
    with pytest.warns(FutureWarning, match="renamed to LTH_UNRESPONSIVE_SECONDS"):
        assert read_settings().unresponsive_seconds == 8
