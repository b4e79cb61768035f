"""Specs are validated, and the catalogue is shown, without a service."""

import json
from pathlib import Path

import pytest

from lth.cli.main import main
from lth.cli.without_service import JOB_FIELDS
from service.api.jobs.submission import Options

SPEC = "kind: model\ntraining: {duration: 2ep}\npriority: 70\n"


@pytest.fixture
def lth(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Runs a command where no service is known; returns exit code, output and messages."""
    for name in ("LTH_SERVER", "LTH_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LTH_DATA_DIR", str(tmp_path / "nothing"))

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["lth", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    file = tmp_path / "spec.yaml"
    file.write_text(SPEC)
    return file


def test_a_spec_is_validated_and_the_missing_checks_are_named(lth, spec: Path) -> None:
    code, _, said = lth("validate", str(spec))
    assert code == 0
    assert "valid, runs: 1" in said
    assert "a run needs at most" in said
    assert "not checked: the pool, uploaded data sets" in said
    code, printed, _ = lth("validate", str(spec), "--json")
    assert json.loads(printed)["valid"] is True


def test_a_wrong_spec_is_refused_with_all_wrong_fields(lth, spec: Path) -> None:
    spec.write_text("training: {batch_size: 0}\nseed: x\n")
    code, _, said = lth("validate", str(spec))
    assert code == 3
    assert {"/kind", "/training/batch_size", "/seed"} <= {
        line.strip().partition(":")[0] for line in said.splitlines()
    }
    code, printed, said = lth("validate", str(spec), "--json")
    error = json.loads(said)["error"]
    assert (code, printed, error["exit_code"], len(error["wrong"])) == (3, "", 3, 3)


def test_a_configured_service_that_is_away_is_an_error(lth, spec, monkeypatch) -> None:
    monkeypatch.setenv("LTH_SERVER", "http://127.0.0.1:9")
    monkeypatch.setenv("LTH_API_KEY", "k")
    assert lth("validate", str(spec))[0] == 5


def test_the_catalogue_lists_families_and_describes_members(lth) -> None:
    code, printed, _ = lth("catalogue")
    assert code == 0
    assert "large_final" in printed
    code, printed, _ = lth("catalogue", "geometric")
    assert code == 0
    assert "geometric  (schedules)" in printed
    assert "number > 0 < 1" in printed
    code, printed, _ = lth("catalogue", "large_final")
    assert "|w_final|" in printed
    assert "arXiv:1803.03635" in printed


def test_an_unknown_name_is_refused_with_a_suggestion(lth) -> None:
    code, _, said = lth("catalogue", "large_finale")
    assert code == 2
    assert "Did you mean 'large_final'?" in said


def test_the_fields_of_a_job_are_those_of_a_submission() -> None:
    assert set(Options.model_fields) == JOB_FIELDS
