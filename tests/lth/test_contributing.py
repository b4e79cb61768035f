"""Executes the recipes of CONTRIBUTING.md in a copy of the library."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

BLOCK = re.compile(r"```python\n# (\S+)\n(.*?)```", re.DOTALL)

# For each recipe: the file and the name of the union, and a spec with the member.
RECIPES = {
    "stillness": (
        "lth/pruning/criteria/__init__.py",
        "Criterion",
        {"pruning": {"criterion": "stillness"}},
    ),
    "uniform": ("lth/reinit/__init__.py", "Reinit", {"reinit": {"kind": "uniform"}}),
    "halving": (
        "lth/pruning/schedules/__init__.py",
        "Schedule",
        {"pruning": {"schedule": "halving"}},
    ),
    "tiny": ("lth/networks/presets.py", "Network", {"network": "tiny"}),
    "wine": ("lth/datasets/__init__.py", "Dataset", {"dataset": "wine"}),
    "lion": (
        "lth/training/optimizers/__init__.py",
        "Optimizer",
        {"training": {"optimizer": {"kind": "lion", "learning_rate": 0.1}}},
    ),
}
SUITES = (
    "pruning/criteria/test_contract.py",
    "reinit/test_contract.py",
    "datasets/test_contract.py",
    "training/optimizers/test_optimizers.py",
    "core/test_family.py",
    "pruning/test_masks.py",
)
CHECK_LIBRARY = """
import json, sys
from lth.spec.catalogue import catalogue
from lth.spec.document import SPEC, parse_spec, spec_hash

documents = json.loads(sys.argv[1])
listed = {entry.kind for entries in catalogue().values() for entry in entries}
schema = json.dumps(SPEC.json_schema())
for kind, fields in documents.items():
    spec_hash(parse_spec({"kind": "model", **fields}))
    assert kind in listed, kind
    assert f'"const": "{kind}"' in schema, kind
print("seen:", *documents)
"""
CHECK_HTTP_SCHEMA = """
import json, sys
from service.api.app import create_app
from service.settings import Settings

document = json.dumps(create_app(Settings()).openapi())
for kind in sys.argv[1:]:
    assert f'"const": "{kind}"' in document, kind
print("seen:", *sys.argv[1:])
"""


def recipes() -> dict[str, tuple[Path, str]]:
    """The path and the content of the file of each recipe, by the kind that it adds."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    return {Path(path).stem: (Path(path), code) for path, code in BLOCK.findall(text)}


def follow(kind: str, copy: Path) -> None:
    """Write the recipe's class, import it, and add it to its family's union."""
    path, code = recipes()[kind]
    (copy / path).write_text(code)
    name = re.search(r"class (\w+)", code)[1]
    family, union, _ = RECIPES[kind]
    text = (copy / family).read_text()
    text, done = re.subn(
        rf"(\n{union} = Annotated\[\s*[^,]*?)(,)", rf"\1 | {name}\2", text, count=1
    )
    assert done == 1, f"no union {union} in {family}"
    module = ".".join(path.with_suffix("").parts)
    position = text.index("from typing import")
    (copy / family).write_text(f"{text[:position]}from {module} import {name}\n{text[position:]}")


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the library and its tests in which all recipes are executed."""
    folder = tmp_path_factory.mktemp("contributed")
    ignored = shutil.ignore_patterns("__pycache__")
    for part in ("lth", "tests/lth"):
        shutil.copytree(ROOT / part, folder / part, ignore=ignored)
    shutil.copy(ROOT / "tests" / "__init__.py", folder / "tests")
    (folder / "pytest.ini").write_text(
        "[pytest]\naddopts = --import-mode=importlib --hypothesis-profile=ci\n"
    )
    for kind in RECIPES:
        follow(kind, folder)
    return folder


def run(copy, *arguments):
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_all_recipes_are_tested():
    assert set(recipes()) == set(RECIPES)


def test_new_members_are_in_specs_schema_and_catalogue(copy):
    documents = {kind: fields for kind, (_, _, fields) in RECIPES.items()}
    assert run(copy, "-c", CHECK_LIBRARY, json.dumps(documents)).split()[1:] == list(RECIPES)


def test_new_members_are_in_the_http_schema(copy):
    pytest.importorskip("fastapi")
    assert run(copy, "-c", CHECK_HTTP_SCHEMA, *RECIPES).split()[1:] == list(RECIPES)


def test_the_contract_tests_include_new_members(copy):
    tests = [f"tests/lth/{suite}" for suite in SUITES]
    chosen = " or ".join(RECIPES)
    out = run(
        copy, "-m", "pytest", "-v", "-p", "no:cacheprovider", "-p", "no:xdist", *tests, "-k", chosen
    )
    for kind in RECIPES:
        assert re.search(rf"\[.*{kind}.*\] PASSED", out), f"no test ran for '{kind}'"
