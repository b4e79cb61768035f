"""The output and the exit codes of the commands, against scripted answers."""

import json
from hashlib import sha256
from pathlib import Path

import pytest

from lth.cli import main as entry
from lth.results.statistics import summarise
from lth.results.warnings import remarks
from tests.lth.client.scripted import Answer, Script, Seen, document, problem, scripted
from tests.lth.client.test_clients import JOB
from tests.lth.plots.made_up import robust, run, stopping

SPEC = "kind: model\ntraining: {duration: 2ep}\nlabels: {team: vision}\n"
KEY = {
    "id": "key_1",
    "prefix": "lth_abc",
    "owner": "ada",
    "role": "member",
    "name": "laptop",
    "created_at": "2026-01-01T00:00:00Z",
    "expires_at": None,
    "used_at": None,
    "revoked_at": None,
}


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    file = tmp_path / "spec.yaml"
    file.write_text(SPEC)
    return file


def _lth(script: Script | None, *words: object, monkeypatch: pytest.MonkeyPatch) -> int:
    server = ["--server", script.server] if script else []
    monkeypatch.setattr("sys.argv", ["lth", *server, *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        entry.main()
    return int(ended.value.code or 0)


def test_submit_sends_the_document_and_prints_only_the_id(
    spec: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted(document({**JOB, "state": "queued"}, 202)) as script:
        words = ("submit", spec, "--label", "run=7", "--priority", 80, "--name", "mine")
        assert _lth(script, *words, monkeypatch=monkeypatch) == 0
    sent = json.loads(script.seen[0].body)
    assert sent["labels"] == {"team": "vision", "run": "7"}
    assert (sent["priority"], sent["name"]) == (80, "mine")
    assert capsys.readouterr().out == "job_1\n"


def test_standard_output_contains_only_json(
    spec: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted(document(JOB, 202)) as script:
        assert _lth(script, "submit", spec, "--json", monkeypatch=monkeypatch) == 0
    assert json.loads(capsys.readouterr().out)["id"] == "job_1"


def test_several_specs_are_several_jobs_if_all_are_right(
    spec: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = tmp_path / "other.yaml"
    other.write_text("kind: model\nseed: -1\n")

    def answer(seen: Seen) -> Answer:
        if "validate_only" not in seen.path:
            return document({**JOB, "id": f"job_{len(script.seen)}"}, 202)
        wrong = b"-1" in seen.body
        errors = [{"pointer": "/seed", "detail": "too small", "value": -1}]
        return problem(422, errors=errors) if wrong else document(PLAN)

    with scripted(answer) as script:
        assert _lth(script, "submit", spec, other, monkeypatch=monkeypatch) == 3
        said = capsys.readouterr()
        assert said.out == ""
        assert f"wrong field in {other}:\n  /seed: too small" in said.err
        assert all("validate_only" in seen.path for seen in script.seen)
        other.write_text("kind: model\nseed: 1\n")
        assert _lth(script, "submit", spec, other, "--json", monkeypatch=monkeypatch) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["id"] != second["id"]


@pytest.mark.parametrize("as_json", [False, True])
def test_the_ends_of_several_jobs_are_all_shown(
    as_json: bool,
    spec: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    states = {"job_a": "failed", "job_b": "succeeded", "job_c": "cancelled"}
    submitted = iter(states)

    def answer(seen: Seen) -> Answer:
        if "validate_only" in seen.path:
            return document(PLAN)
        if seen.method == "POST":
            return document({**JOB, "id": next(submitted), "state": "queued"}, 202)
        job_id = seen.path.split("/")[3]
        if seen.path.endswith("/results"):
            found = {"run": "trial-1/ticket", "result": run().model_dump(mode="json")}
            return document({"job_id": job_id, "state": states[job_id], "results": [found]})
        if seen.path.endswith("/events"):
            return Answer(200, b"", {"Content-Type": "text/event-stream"})
        return document({**JOB, "id": job_id, "state": states[job_id]})

    with scripted(answer) as script:
        words = ("submit", spec, spec, spec, "--wait", *(["--json"] if as_json else []))
        assert _lth(script, *words, monkeypatch=monkeypatch) == 1
    said = capsys.readouterr()
    assert "the job job_a has failed" in said.err
    assert "the job job_c was cancelled" in said.err
    assert "job_b" not in said.err.splitlines()[-1]
    if as_json:
        ends = [json.loads(line)["job"] for line in said.out.splitlines()]
        assert {job["id"]: job["state"] for job in ends} == states
    else:
        heads = [line.split() for line in said.out.splitlines() if line.startswith("job_")]
        assert [tuple(words) for words in heads[-3:]] == list(states.items())


def test_list_sends_its_filters_and_stops_at_the_limit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = document({"jobs": [JOB, {**JOB, "id": "job_0"}], "cursor": "more"})
    with scripted(page) as script:
        words = ("list", "--state", "failed", "--label", "a=b", "--limit", 3, "--json")
        assert _lth(script, *words, monkeypatch=monkeypatch) == 0
    assert len(json.loads(capsys.readouterr().out)["jobs"]) == 3
    assert "state=failed" in script.seen[0].path
    assert "cursor=more" in script.seen[1].path


def test_a_list_shows_all_pages(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pages = [document({"keys": [key], "cursor": more}) for key, more in ((KEY, "x y"), (KEY, None))]
    with scripted(*pages) as script:
        assert _lth(script, "keys", "list", "--json", monkeypatch=monkeypatch) == 0
    assert len(json.loads(capsys.readouterr().out)["keys"]) == 2
    assert [seen.path for seen in script.seen] == ["/v1/keys", "/v1/keys?cursor=x+y"]


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        ("laptop", 0, "revoked key_1a of ada"),
        ("key_2", 0, "revoked key_2b of ada"),
        ("key_2b", 0, "revoked key_2b of ada"),
        ("key_", 2, "3 keys match 'key_', such as key_1a, key_2b, key_3c; give an id"),
        ("twice", 2, "2 keys match 'twice', such as key_2b, key_3c; give an id"),
        ("old", 2, "there is no key 'old'; 'lth keys list' lists them"),
        ("", 2, "there is no key ''"),
    ],
)
def test_a_key_is_revoked_by_its_name_or_the_beginning_of_its_id(
    given: str,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = {"key_1a": "laptop", "key_2b": "twice", "key_3c": "twice"}
    keys = [{**KEY, "id": key_id, "name": name} for key_id, name in names.items()]
    keys.append({**KEY, "id": "key_4d", "name": "old", "revoked_at": KEY["created_at"]})

    def answer(seen: Seen) -> Answer:
        if seen.method == "GET":
            return document({"keys": keys, "cursor": None})
        return document({**KEY, "id": seen.path.rpartition("/")[2]})

    with scripted(answer) as script:
        assert _lth(script, "keys", "revoke", given, monkeypatch=monkeypatch) == code
    assert said in capsys.readouterr().err
    assert [seen.method for seen in script.seen].count("DELETE") == (code == 0)


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (problem(404, detail="there is no job 'job_1'"), 4, "there is no job 'job_1'"),
        (
            problem(401, detail="no key"),
            4,
            "no key (401)\nSet a key with --key or LTH_API_KEY",
        ),
        (problem(409, detail="it is running"), 4, "it is running"),
        (problem(500, detail="our mistake"), 5, "our mistake"),
        (Answer(200, b"<html>"), 5, "this service"),
    ],
)
def test_each_kind_of_refusal_has_its_exit_code(
    answer: Answer,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with scripted(answer) as script:
        assert _lth(script, "show", "job_1", monkeypatch=monkeypatch) == code
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("HTTPS_PROXY", "http://proxy:port", "HTTPS_PROXY is 'http://proxy:port'"),
        ("HTTPS_PROXY", "http://127.0.0.1:9", "the proxy http://127.0.0.1:9 of HTTPS_PROXY"),
        ("SSL_CERT_FILE", "/missing.pem", "SSL_CERT_FILE is '/missing.pem'"),
        ("SSL_CERT_DIR", "/missing", "SSL_CERT_DIR is '/missing'"),
    ],
)
def test_a_wrong_variable_of_the_network_is_named(
    name: str,
    value: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LTH_SERVER", "https://lth.example")
    for other in ("SSL_CERT_FILE", "SSL_CERT_DIR", "NO_PROXY"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, value)
    assert _lth(None, "list", monkeypatch=monkeypatch) == 5
    assert said in capsys.readouterr().err


def test_a_wrong_spec_is_explained_field_by_field(
    spec: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    errors = [
        {"pointer": "/training/duration", "detail": "too long", "value": "9999ep"},
        {"pointer": "/sed", "detail": "unknown field", "expected": "seed"},
    ]
    with scripted(problem(422, errors=errors)) as script:
        assert _lth(script, "submit", spec, monkeypatch=monkeypatch) == 3
    said = capsys.readouterr().err
    for part in ("/training/duration", "too long", "'9999ep'", "/sed", "expected  seed"):
        assert part in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a\n- b\n", "contains a list"),
        ("kind: [", "neither YAML nor JSON"),
        ("kind: model\nseed: 1\nseed: 2\n", "'seed' is written twice"),
        ("a: !!python/object:os.system {}\n", "/a: the tag !!python/object:os.system is not known"),
        ("name: 2024-01-01\n", "spec.yaml:\n  /name: this is a date"),
    ],
)
def test_a_file_that_is_not_a_spec_is_not_sent(
    text: str,
    said: str,
    spec: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spec.write_text(text)
    with scripted(document(JOB, 202)) as script:
        assert _lth(script, "submit", spec, monkeypatch=monkeypatch) == 3
    assert said in capsys.readouterr().err
    assert not script.seen


def test_a_missing_file_is_reported_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted(document(JOB, 202)) as script:
        assert _lth(script, "submit", "nowhere.yaml", monkeypatch=monkeypatch) == 2
    assert capsys.readouterr().err == "nowhere.yaml: No such file or directory\n"


def test_a_folder_instead_of_a_spec_is_a_wrong_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted(document(JOB, 202)) as script:
        assert _lth(script, "validate", tmp_path, monkeypatch=monkeypatch) == 2
    assert capsys.readouterr().err == f"{tmp_path}: Is a directory\n"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (problem(422, type="urn:lth:problem:idempotency-mismatch", detail="key 'k' was used"), 4),
        (problem(422, errors=[{"parameter": "idempotency-key", "detail": "too short"}]), 2),
        (problem(422, errors=[{"pointer": "/seed", "detail": "too small"}]), 3),
        (problem(422, errors=[{"pointer": "", "detail": "this is no object"}]), 3),
        (problem(413, detail="the body is too long"), 3),
    ],
)
def test_only_a_wrong_document_has_the_exit_code_for_a_wrong_spec(
    answer: Answer, code: int, spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scripted(answer) as script:
        words = ("submit", spec, "--idempotency-key", "k")
        assert _lth(script, *words, monkeypatch=monkeypatch) == code


@pytest.mark.parametrize("key", ["", "two words", "key ", "schlüssel", "a\nb", "k" * 256])
def test_an_idempotency_key_that_cannot_be_sent_is_a_wrong_command_line(
    key: str, spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scripted(document(JOB, 202)) as script:
        words = ("submit", spec, "--idempotency-key", key)
        assert _lth(script, *words, monkeypatch=monkeypatch) == 2
    assert not script.seen


def test_labels_of_a_wrong_type_are_left_to_the_service(
    spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec.write_text("kind: model\nlabels: [vision]\n")
    with scripted(document(JOB, 202)) as script:
        assert _lth(script, "submit", spec, "--label", "run=7", monkeypatch=monkeypatch) == 0
    assert json.loads(script.seen[0].body)["labels"] == ["vision"]


def test_each_line_about_an_event_has_its_content(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    score = {"loss": 0.1, "accuracy": 0.95}
    at = {"level": 1, "levels": 2, "samples_per_second": 5e4, "validation": score}
    level = {
        "level": 0,
        "density": 1.0,
        "early_stop_iteration": 40,
        "early_stop_test_accuracy": 0.955,
        "final_test_accuracy": 0.96,
    }
    events = [
        ("run_started", "trial-1/ticket", {}),
        ("level_finished", "trial-1/ticket", level),
        ("evaluation", "trial-1/ticket", at),
        ("run_failed", "trial-1/ticket", {"reason": "diverged", "message": "the loss is NaN"}),
        ("job_finished", None, {"state": "failed"}),
    ]
    lines = [
        json.dumps({"number": n, "kind": kind, "run": run, "at": JOB["created_at"], "data": data})
        for n, (kind, run, data) in enumerate(events, 1)
    ]
    stream = Answer(
        200,
        "".join(f"data: {line}\n\n" for line in lines).encode(),
        {"Content-Type": "text/event-stream"},
    )
    results = document({"job_id": "job_1", "state": "failed", "results": []})
    with scripted(stream, document({**JOB, "state": "failed"}), results) as script:
        assert _lth(script, "watch", "job_1", monkeypatch=monkeypatch) == 1
    printed = [line.partition(" ")[2] for line in capsys.readouterr().err.splitlines()]
    assert printed[:5] == [
        "run_started trial-1/ticket",
        "level_finished trial-1/ticket "
        "dense  density 100.00%  stop at 40 it  test 95.50%  at end 96.00%",
        "evaluation trial-1/ticket level 1/2     50,000 samples/s  validation 95.0%",
        "run_failed trial-1/ticket: diverged: the loss is NaN",
        "job_finished failed",
    ]


def test_a_wrong_command_line_has_the_exit_code_for_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _lth(None, "submit", monkeypatch=monkeypatch) == 2
    assert _lth(None, "submit", "-", "--label", "nonsense", monkeypatch=monkeypatch) == 2
    assert _lth(None, "list", "--state", "finished", monkeypatch=monkeypatch) == 2


FILE = {"media_type": "application/x-npz", "size": 0, "digest": sha256().hexdigest(), "href": "/x"}
FILES = document({"artifacts": [{"name": "trial-1/ticket/masks.npz", **FILE}]})


def test_fetching_an_unknown_file_fails_and_lists_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("fetch", "job_1", "--out", tmp_path, "--only", "masks.npz")
    with scripted(FILES) as script:
        assert _lth(script, *words, monkeypatch=monkeypatch) == 0
        assert "masks.npz  0 bytes  application/x-npz" in capsys.readouterr().out
        assert (tmp_path / "trial-1/ticket/masks.npz").exists()
        assert _lth(script, *words, "--only", "masks.npy", monkeypatch=monkeypatch) == 2
    said = capsys.readouterr().err
    assert "'masks.npy'" in said
    assert "the job has: masks.npz" in said


def test_the_list_of_files_names_a_file_of_many_runs_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"trial-{trial}/ticket/masks.npz" for trial in range(1, 100)]
    with scripted(document({"artifacts": [{"name": name, **FILE} for name in names]})) as script:
        words = ("fetch", "job_1", "--out", tmp_path, "--only", "masks.npy")
        assert _lth(script, *words, monkeypatch=monkeypatch) == 2
    assert capsys.readouterr().err.count("masks.npz") == 1


def test_pictures_that_are_not_drawn_yet_are_fetched_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, digest = b"bytes", sha256(b"bytes").hexdigest()
    arrays = {**FILE, "size": len(content), "digest": digest}
    picture = {"media_type": "image/png", "size": None, "digest": None, "href": "/picture"}
    listed = document({"artifacts": [{"name": "a.png", **picture}, {"name": "z.npz", **arrays}]})
    sent = Answer(200, content, {"ETag": f'"{digest}"'})
    with scripted(listed, sent, sent, listed) as script:
        words = ("fetch", "job_1", "--out", tmp_path)
        assert _lth(script, *words, monkeypatch=monkeypatch) == 0
    assert [seen.path for seen in script.seen[1:3]] == ["/x", "/picture"]


PICTURE = {"media_type": "image/png", "size": None, "digest": None, "href": "/picture"}


@pytest.mark.parametrize(
    ("words", "fetched"),
    [
        ((), {"report/plots/sparsity.png", "trial-1/a/masks.npz"}),
        (("--all",), {"report/plots/sparsity.png", "trial-1/a/masks.npz", "trial-1/a/plots/x.png"}),
        (("--only", "x.png"), {"trial-1/a/plots/x.png"}),
    ],
)
def test_pictures_of_single_runs_are_fetched_only_with_all(
    words: tuple[str, ...],
    fetched: set[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pictures = ["report/plots/sparsity.png", "trial-1/a/plots/x.png"]
    files = [{"name": name, **PICTURE} for name in pictures]
    listed = document({"artifacts": [*files, {"name": "trial-1/a/masks.npz", **FILE}]})
    drawn = Answer(200, b"", {"ETag": f'"{sha256().hexdigest()}"'})

    def answer(seen: Seen) -> Answer:
        return drawn if seen.path == PICTURE["href"] else listed

    with scripted(answer) as script:
        assert _lth(script, "fetch", "job_1", "-o", tmp_path, *words, monkeypatch=monkeypatch) == 0
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")} - {".lth-job"}
    assert found == fetched
    assert ("1 pictures of single runs are left out" in capsys.readouterr().err) == (not words)


def test_a_single_run_is_fetched_with_its_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = document({"artifacts": [{"name": "trial-1/ticket/plots/x.png", **FILE}]})
    with scripted(listed) as script:
        assert _lth(script, "fetch", "job_1", "-o", tmp_path, monkeypatch=monkeypatch) == 0
    assert (tmp_path / "trial-1/ticket/plots/x.png").exists()


@pytest.mark.parametrize("trials", [1, 2])
def test_several_trials_show_the_summary_and_one_trial_its_experiments(
    trials: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = robust(trials)
    results = [
        {"run": f"trial-{one.trial}/{one.experiment}", "result": one.model_dump(mode="json")}
        for one in found
    ]
    summary = {"job_id": "job_1", "state": "succeeded", "trials": trials}
    summary["summary"] = summarise(found).model_dump(mode="json")
    whole = {"job_id": "job_1", "state": "succeeded", "results": results}
    answers = (document(JOB), document({"runs": []}), document(whole), document(summary))
    with scripted(*answers) as script:
        assert _lth(script, "show", "job_1", monkeypatch=monkeypatch) == 0
    shown = capsys.readouterr().out
    assert ("means over trials" in shown) == (trials > 1)
    assert ("trial-1/control" in shown) == (trials == 1)


def test_remarks_on_a_single_trial_are_shown_below_its_levels(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = stopping(run(), True, True)
    results = [{"run": "trial-1/ticket", "result": found.model_dump(mode="json")}]
    whole = {"job_id": "job_1", "state": "succeeded", "results": results}
    with scripted(document(JOB), document({"runs": []}), document(whole)) as script:
        assert _lth(script, "show", "job_1", monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().out.splitlines()[-1] == remarks([found])[0]


def test_remarks_on_a_plan_are_shown_without_changing_the_exit_code(
    spec: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    estimate = {"samples": 1, "basis": "nothing_measured", "measured_runs": 0}
    estimate |= {"samples_per_second": None, "device_seconds": None}
    sizes = {"spec_hash": "0" * 64, "parameters": 3, "prunable": 2, "estimate": estimate}
    plan = {**sizes, "runs": [], "trunks": [], "remarks": ["no worker has 'mnist'"]}
    with scripted(document(plan)) as script:
        for command in ("validate", "estimate"):
            assert _lth(script, command, spec, monkeypatch=monkeypatch) == 0
            assert "no worker has 'mnist'" in capsys.readouterr().err.splitlines()
        assert _lth(script, "validate", spec, "--json", monkeypatch=monkeypatch) == 0
    assert json.loads(capsys.readouterr().out)["remarks"] == ["no worker has 'mnist'"]


def test_a_folder_that_cannot_be_written_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.touch()
    with scripted(FILES) as script:
        assert _lth(script, "fetch", "job_1", "--out", file, monkeypatch=monkeypatch) == 2
    said = capsys.readouterr().err
    assert said == f"{file}: File exists\n"


@pytest.mark.parametrize(
    ("estimate", "said"),
    [
        (
            {"basis": "nothing_similar"},
            "no estimate of the time: no run of a similar network has finished in this pool lately",
        ),
        (
            {
                "device_seconds": 300.0,
                "device_range": [240.0, 420.0],
                "elapsed_seconds": 150.0,
                "elapsed_range": [120.0, 210.0],
                "workers": 2,
                "basis": "same_network",
                "measured_runs": 4,
            },
            "about 5.0 minutes (4.0 to 7.0) on devices, from 4 runs of this network\n"
            "about 2.5 minutes (2.0 to 3.5) until the end with 2 workers, if no other job runs",
        ),
        (
            {
                "device_seconds": 90.0,
                "device_range": [20.0, 400.0],
                "basis": "similar_networks",
                "measured_runs": 1,
            },
            "about 90 seconds (20 to 400) on devices, from 1 run of similar networks",
        ),
    ],
)
def test_an_estimate_has_a_range_and_a_basis_or_says_why_there_is_none(
    spec: Path,
    estimate: dict,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plan = {**PLAN, "estimate": {**PLAN["estimate"], **estimate}}
    with scripted(document(plan)) as script:
        assert _lth(script, "estimate", spec, monkeypatch=monkeypatch) == 0
    assert said in capsys.readouterr().out


PLAN: dict = {
    "spec_hash": "0" * 64,
    "runs": [{"key": "trial-1/ticket", "kind": "experiment", "needs": []}],
    "trunks": [],
    "parameters": 1000,
    "prunable": 900,
    "estimate": {
        "samples": 10,
        "samples_per_second": None,
        "device_seconds": None,
        "basis": "nothing_measured",
        "measured_runs": 0,
    },
}
MEMORY = {
    "total": 12 << 30,
    "process": 1 << 30,
    "data": 1 << 29,
    "weights": 1 << 20,
    "training": 10 << 30,
    "evaluation": 1 << 28,
    "layer": "layer 0 (conv2d)",
}


@pytest.mark.parametrize("command", ["validate", "estimate"])
def test_the_memory_of_a_run_is_shown_with_its_parts(
    command: str, spec: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted(document({**PLAN, "memory": MEMORY})) as script:
        assert _lth(script, command, spec, monkeypatch=monkeypatch) == 0
        seen = capsys.readouterr()
        assert _lth(script, command, spec, "--json", monkeypatch=monkeypatch) == 0
    said = " ".join((seen.out + seen.err).split())
    assert "needs at most 12 GiB of memory" in said
    for part in ("process 1 GiB", "data 512 MiB", "weights 1 MiB", "training 10 GiB"):
        assert part in said
    assert "layer 0 (conv2d) needs most" in said
    assert json.loads(capsys.readouterr().out)["memory"] == MEMORY


@pytest.mark.parametrize("command", ["validate", "estimate"])
def test_a_plan_of_an_older_service_has_no_memory(
    command: str, spec: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted(document(PLAN)) as script:
        assert _lth(script, command, spec, monkeypatch=monkeypatch) == 0
    seen = capsys.readouterr()
    assert "memory" not in seen.out + seen.err
