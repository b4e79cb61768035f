"""Documents that would take very long to read are refused at once."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from lth.cli.documents import BadDocument, read_document

_LEVELS = "abcdefghijkl"
BOMB = "a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in pairwise(_LEVELS)
)
MERGED = "a: &a {x: 1}\n" + "".join(
    f"{name}: &{name}\n  <<: [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in pairwise(_LEVELS)
)
REFUSED = {
    "bomb": (BOMB, "aliases expand to"),
    "merged": (MERGED, "aliases expand to"),
    "long text": (f"a: &a {'x' * 10_000}\nb: [{', '.join(['*a'] * 1000)}]\n", "aliases expand to"),
    "a cycle": ("kind: &a [*a]\n", "an alias refers to a list or mapping that contains it"),
    "depth": ("a: " + "[" * 100_000, "nested too deeply"),
    "a number": ("seed: " + "1" * 10_000, "neither YAML nor JSON"),
    "a date": ("seed: 2001-99-99", "neither YAML nor JSON"),
    "a key twice": ("kind: model\nkind: model\n", "'kind' is written twice"),
    "a list as key": ("[1, 2]: 3\n", "neither YAML nor JSON"),
    "nothing": ("", "contains a NoneType"),
}


@pytest.mark.parametrize(("text", "said"), REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.timeout(60)
def test_a_bad_document_is_refused_quickly(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text(text)
    with pytest.raises(BadDocument, match=said):
        read_document(file)


@pytest.mark.timeout(60)
def test_many_keys_are_read_quickly(tmp_path: Path) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text("".join(f"k{number}: 1\n" for number in range(20_000)))
    assert len(read_document(file)) == 20_000


def test_aliases_of_a_sensible_size_work(tmp_path: Path) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text("base: &base {duration: 2ep}\none: {<<: *base, seed: 1}\nbare: *base\n")
    assert read_document(file) == {
        "base": {"duration": "2ep"},
        "one": {"duration": "2ep", "seed": 1},
        "bare": {"duration": "2ep"},
    }


def test_a_bad_document_has_exit_code_3(tmp_path: Path) -> None:
    file = tmp_path / "bomb.yaml"
    file.write_text(BOMB)
    done = subprocess.run(
        [sys.executable, "-m", "lth.cli", "validate", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 3
    assert "aliases expand to" in done.stderr
