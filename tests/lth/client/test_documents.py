"""The reader of specs: JSON, YAML, and what is neither."""

import json
import subprocess
import sys
from datetime import UTC
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lth.client.documents import read_document
from lth.client.errors import BadDocument
from lth.core.field_errors import wrong_fields
from lth.core.plain_data import require_plain
from lth.spec.document import SPEC, parse_spec

SCHEMA = SPEC.json_schema()
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
    "nothing": ("", "is empty"),
    "a list": ("[1]", "contains a list"),
    "a comma too many": ('{\n\t"kind": "model",\n}', "as JSON: .*line 3 column 1.* as YAML: "),
    "two documents": ("kind: model\n---\nkind: model\n", "neither YAML nor JSON"),
    "a character that does not exist": (r'name: "\UFFFFFFFF"', "neither YAML nor JSON"),
}
NOT_PLAIN = {
    "a date": ("name: 2024-01-01", "/name", "this is a date or a time"),
    "a time": ("name: 2024-01-01T10:00:00Z", "/name", "this is a date or a time"),
    "a wrong date": ("seed: 2001-99-99", "/seed", "this is a date or a time"),
    "a date in a list": ("a: [{b: 2024-01-01}]", "/a/0/b", "this is a date or a time"),
    "a long number": ("seed: " + "1" * 10_000, "/seed", "this cannot be read as int"),
    "a long number in JSON": ('{"seed": ' + "1" * 10_000 + "}", "/seed", "this number is too long"),
    "a key twice": ("kind: model\nkind: model\n", "/kind", "'kind' is written twice"),
    "a key twice in JSON": ('{"a": {"b": 1, "b": 1}}', "/a/b", "'b' is written twice"),
    "a list as key": ("a: {[1, 2]: 3}\n", "/a", "a key is a list or an object"),
    "a set": ("a: !!set {b, c}", "/a", "the tag !!set is not known"),
    "bytes": ("a: !!binary aGk=", "/a", "the tag !!binary is not known"),
    "pairs": ("a: !!omap [b: 1]", "/a", "the tag !!omap is not known"),
    "code": ("a: !!python/object:os.system {}", "/a", "the tag !!python/object:os.system is"),
    "an own tag": ("a: !mine 3", "/a", "the tag !mine is not known"),
    "a boolean": ("a: !!bool maybe", "/a", "this cannot be read as bool"),
    "a number that is none": ("a: !!int three", "/a", "this cannot be read as int"),
    "no number": ("a: .nan", "/a", "this number is not finite"),
    "no number in JSON": ('{"a": NaN}', "/a", "this number is not finite"),
    "infinity": ("a: -.inf", "/a", "this number is not finite"),
    "a number too large": ('{"a": 1e999}', "/a", "this number is not finite"),
    "half a character": (r'{"a": "\ud800"}', "/a", "this is not valid Unicode"),
    "half a character as key": (r'{"\ud800": 1}', "/\ud800", "this is not valid Unicode"),
    "a merged text": ("a: {<<: b}", "/a/<<", "this cannot be merged"),
    "a merged list of texts": ("a: {<<: [b]}", "/a/<<", "this cannot be merged"),
}
READ = {
    "tabs": ('{\n\t"kind": "model",\n\t"training": {"duration": "1ep"}\n}', None),
    "exponents": ('{"rate": 1e-3}', {"rate": 0.001}),
    "escapes": (r'{"name": "\ud83d\ude00\/"}', {"name": "\U0001f600/"}),
    "a mark": ("\ufeffkind: model", {"kind": "model"}),
    "keys as written": ("{2024: a, on: b, ~: c, 2024-01-01: d, 010: e}", None),
    "a date in quotes": ("name: '2024-01-01'", {"name": "2024-01-01"}),
    "a date with a tag": ("name: !!str 2024-01-01", {"name": "2024-01-01"}),
    "an equals sign": ("name: =", {"name": "="}),
    "a merge sign": ("name: <<", {"name": "<<"}),
    "a merge": ("a: &a {x: 1, y: 1}\nb: {y: 2, <<: *a, z: 3}", None),
    "merges": ("a: [&a {x: 1}, &b {x: 2, y: 2}]\nb: {<<: [*a, *b]}", None),
}
EXPECTED: dict[str, dict[str, Any]] = {
    "tabs": {"kind": "model", "training": {"duration": "1ep"}},
    "keys as written": {"2024": "a", "on": "b", "~": "c", "2024-01-01": "d", "010": "e"},
    "a merge": {"a": {"x": 1, "y": 1}, "b": {"x": 1, "y": 2, "z": 3}},
    "merges": {"a": [{"x": 1}, {"x": 2, "y": 2}], "b": {"x": 1, "y": 2}},
}


@pytest.mark.parametrize(("text", "said"), REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.timeout(60)
def test_a_bad_document_is_refused_quickly(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text(text)
    with pytest.raises(BadDocument, match=said):
        read_document(file)


@pytest.mark.parametrize(("text", "pointer", "said"), NOT_PLAIN.values(), ids=NOT_PLAIN.keys())
def test_what_is_not_plain_data_is_reported_at_its_field(
    tmp_path: Path, text: str, pointer: str, said: str
) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text(text)
    with pytest.raises(BadDocument) as refused:
        read_document(file)
    (wrong,) = refused.value.wrong
    assert wrong.pointer == pointer
    assert wrong.detail.startswith(said)
    assert wrong.expected


def test_all_fields_that_are_not_plain_data_are_reported_together(tmp_path: Path) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text("labels: {run: 3, on: yes, date: 2024-01-01}\nname: 2024-01-01\nseed: .inf\n")
    with pytest.raises(BadDocument) as refused:
        read_document(file)
    assert [each.pointer for each in refused.value.wrong] == ["/labels/date", "/name", "/seed"]


@pytest.mark.parametrize("case", READ)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_plain_data_is_read(tmp_path: Path, case: str, encoding: str) -> None:
    text, expected = READ[case]
    file = tmp_path / "spec.yaml"
    file.write_bytes(text.encode(encoding))
    assert read_document(file) == (expected or EXPECTED[case])


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "spec.yaml"
    file.write_bytes("name: Zoë".encode("latin-1"))
    with pytest.raises(BadDocument, match="is not text in UTF-8: byte 8 is wrong"):
        read_document(file)


def test_an_experiment_of_a_session_can_be_merged_into_another(tmp_path: Path) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text(
        "kind: session\nexperiments:\n  - &base\n    name: ticket\n    reinit: rewind\n"
        "  - <<: *base\n    name: other\n    reinit: random\n  - {<<: *base, name: third}\n"
    )
    spec = parse_spec(read_document(file))
    assert [each.name for each in spec.expanded] == ["ticket", "other", "third"]


def _is_key(value: Any) -> bool:
    return not isinstance(value, set)


def _shared(*more: Any) -> st.SearchStrategy[Any]:
    numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    return st.one_of(st.none(), st.booleans(), numbers, st.text(), *more)


DATA = st.recursive(
    _shared(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)
MORE = _shared(
    st.dates(),
    st.datetimes(timezones=st.none() | st.just(UTC)),
    st.binary(),
    st.floats(),
    st.sets(st.integers()),
)
BEYOND_JSON = st.recursive(
    MORE,
    lambda inner: st.lists(inner) | st.dictionaries(MORE.filter(_is_key), inner),
    max_leaves=20,
)
WORDS = (
    "a b kind model : - ? , [ ] { } & * &a *a ! !! !!int !!bool !!set !!str !!null !!map | > ' # "
    "<< = ~ yes .nan 1 1e5 0x1 1_0 1:30 2024-01-01 %YAML --- ... @ ` training duration 1ep"
)
OTHERS = ' |\n|\n  |\t|: |- |"|\\|\\ud800|\0|\u2028|\ufeff'
TOKENS = st.sampled_from([*WORDS.split(), *OTHERS.split("|")])
FIELDS = st.sampled_from(list(SCHEMA["$defs"]["RobustSpec"]["properties"]))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("documents") / "spec"


@given(
    document=st.dictionaries(st.text(), DATA),
    indent=st.sampled_from([None, 0, 2, "\t"]),
    as_ascii=st.booleans(),
)
def test_every_json_document_is_read_unchanged(
    file: Path, document: dict[str, Any], indent: int | str | None, as_ascii: bool
) -> None:
    text = json.dumps(document, indent=indent, ensure_ascii=as_ascii)
    file.write_bytes(text.encode())
    read = read_document(file)
    assert json.dumps(read) == json.dumps(document)
    assert require_plain(read) == document


@given(document=st.dictionaries(st.text(), DATA))
def test_every_json_document_is_read_unchanged_from_yaml(
    file: Path, document: dict[str, Any]
) -> None:
    file.write_bytes(yaml.safe_dump(document).encode())
    assert json.dumps(read_document(file), sort_keys=True) == json.dumps(document, sort_keys=True)


def _spec_or_errors(file: Path) -> object:
    """Read a file as the commands do; returns the spec, or what is wrong with it."""
    try:
        document = read_document(file)
    except BadDocument as error:
        return str(error)
    json.dumps(document, allow_nan=False, ensure_ascii=False).encode()
    try:
        return parse_spec(document)
    except ValidationError as error:
        return wrong_fields(error, document, SCHEMA)


@given(fields=st.dictionaries(FIELDS, BEYOND_JSON), kind=st.sampled_from(["model", "robust"]))
def test_every_yaml_document_gives_a_spec_or_wrong_fields(
    file: Path, fields: dict[str, Any], kind: str
) -> None:
    file.write_bytes(yaml.safe_dump({"kind": kind, **fields}).encode())
    assert _spec_or_errors(file)


@given(tokens=st.lists(TOKENS, max_size=30), head=st.sampled_from(["", "kind: model\n", "{"]))
def test_every_text_gives_a_spec_or_an_explanation(
    file: Path, tokens: list[str], head: str
) -> None:
    file.write_bytes((head + "".join(tokens)).encode())
    assert _spec_or_errors(file)


@given(content=st.binary())
def test_every_file_gives_a_spec_or_an_explanation(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert _spec_or_errors(file)


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
