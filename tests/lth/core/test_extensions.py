"""Installed packages add members to families; a wrong one prevents the start."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import ROOT
from tests.lth.extension import install

GOOD = {
    "lth.criteria": {"alternating": "criteria:Alternating"},
    "lth.networks": {"narrow": "networks:Narrow"},
}
SHOW = """
import json
from lth.spec.catalogue import catalogue
from lth.spec.document import SPEC, parse_spec, spec_hash
spec = parse_spec({"kind": "model", "network": "narrow",
                   "pruning": {"criterion": {"kind": "alternating", "step": 3}}})
print(json.dumps({
    "criteria": [entry.kind for entry in catalogue()["criteria"]],
    "schema": "alternating" in json.dumps(SPEC.json_schema()),
    "spec": spec.model_dump(mode="json"),
    "hash": spec_hash(spec),
    "plain": spec_hash(parse_spec({"kind": "model"})),
}))
"""


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)])}
    return subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, text=True, check=False
    )


def shown(folder: Path) -> dict[str, Any]:
    done = run(folder, "-c", SHOW)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_members_of_packages_are_in_catalogue_schema_and_specs(tmp_path: Path) -> None:
    found = shown(install(tmp_path, GOOD))
    assert found["criteria"][-1] == "alternating"
    assert found["criteria"][0] == "large_final"
    assert found["schema"]
    assert found["spec"]["pruning"]["criterion"] == {"kind": "alternating", "step": 3}
    assert found["spec"]["network"] == {"kind": "narrow"}


def test_the_version_of_a_package_is_part_of_the_hash_of_its_specs_alone(tmp_path: Path) -> None:
    old = shown(install(tmp_path / "old", GOOD, version="1.5"))
    new = shown(install(tmp_path / "new", GOOD, version="1.6"))
    assert old["hash"] != new["hash"]
    assert old["plain"] == new["plain"]


TRAIN = """
from lth import LotteryModel, Training
model = LotteryModel("narrow", "digits", Training(duration="4it"))
model.one_shot(0.5, criterion="alternating", observer=None)
print(model.results[0].model_dump_json(include={"external"}))
"""


def test_results_record_the_package_and_its_version(tmp_path: Path) -> None:
    done = run(install(tmp_path, GOOD), "-W", "ignore", "-c", TRAIN)
    assert done.returncode == 0, done.stderr
    external = json.loads(done.stdout)["external"]
    assert [(each["family"], each["name"]) for each in external] == [
        ("criterion", "alternating"),
        ("", "narrow"),
    ]
    assert {(each["package"], each["version"]) for each in external} == {("extension", "1.5")}


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (
            {"lth.criteria": {"taken": "criteria:Taken"}},
            "lth and extension both add 'large_final' to lth.criteria",
        ),
        ({"lth.criteria": {"no": "networks:Narrow"}}, "has no method scores()"),
        (
            {"lth.criteria": {"one": "criteria:Alternating", "two": "criteria:Alternating"}},
            "extension and extension both add 'alternating'",
        ),
        ({"lth.criteria": {"no": "criteria:Incomplete"}}, "has no method scores()"),
        ({"lth.reinit": {"no": "criteria:Alternating"}}, "has no method reset()"),
        ({"lth.schedules": {"no": "criteria:Gone"}}, "cannot be imported"),
        (
            {"lth.criteria": {"no": "criteria:np"}},
            "no class derived from lth.core.family.Member",
        ),
    ],
)
def test_a_wrong_member_prevents_the_start_with_one_message(
    tmp_path: Path, entries: dict[str, dict[str, str]], said: str
) -> None:
    folder = install(tmp_path, entries)
    spec = str(ROOT / "examples" / "quickstart.yaml")
    done = run(folder, "-m", "lth.cli", "validate", spec)
    assert done.returncode == 6, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_servers_do_not_start_with_a_wrong_member(tmp_path: Path) -> None:
    folder = install(tmp_path, {"lth.criteria": {"taken": "criteria:Taken"}})
    for server in (["service.api"], ["worker"], ["worker", "beat"]):
        done = run(folder, "-m", *server)
        assert done.returncode == 1
        assert "lth and extension both add 'large_final'" in done.stderr
