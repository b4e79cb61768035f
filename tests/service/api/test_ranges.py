"""Range requests."""

import pytest

from service.api.artifacts.ranges import matches, wanted_range
from service.api.http.problems import RangeNotSatisfiable

DIGEST = "ab" * 32


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("bytes=0-0", range(1)),
        ("bytes=2-4", range(2, 5)),
        ("bytes=2-", range(2, 10)),
        ("bytes=2-999", range(2, 10)),
        ("bytes=-3", range(7, 10)),
        ("bytes=-999", range(10)),
        (None, None),
        ("bytes=0-1,4-5", None),
        ("bytes=4-2", None),
        ("lines=0-1", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes", None),
        ("bytes=,", None),
        ("bytes=x-,2-3", None),
        ("bytes=20-,4-2", None),
        ("bytes=20-,2-3", None),
        ("Bytes=2-4", range(2, 5)),
        ("bytes=, 2-4 ,", range(2, 5)),
        ("bytes=2-99999999999999999999", range(2, 10)),
        ("bytes=00000000000000000000002-4", range(2, 5)),
        ("bytes=-99999999999999999999", range(10)),
    ],
)
def test_a_range_header_selects_bytes(value, wanted):
    assert wanted_range(value, None, DIGEST, 10) == wanted


@pytest.mark.parametrize(
    "value",
    [
        "bytes=10-",
        "bytes=99-100",
        "bytes=-0",
        "bytes=99999999999999999999-",
        "bytes=99999999999999999999-99999999999999999999",
        f"bytes={'9' * 5_000}-",
        "bytes=10-,20-30",
        "bytes=10-11, -0",
    ],
)
def test_a_range_behind_the_end_is_refused_with_the_size(value):
    with pytest.raises(RangeNotSatisfiable) as caught:
        wanted_range(value, None, DIGEST, 10)
    assert caught.value.headers == {"Content-Range": "bytes */10"}


@pytest.mark.parametrize("value", ["bytes=0-", "bytes=0-0", "bytes=0-,5-", "bytes=-0"])
def test_an_empty_file_has_no_range(value):
    with pytest.raises(RangeNotSatisfiable):
        wanted_range(value, None, DIGEST, 0)


def test_the_end_of_an_empty_file_is_the_whole_file():
    assert wanted_range("bytes=-5", None, DIGEST, 0) is None


def test_a_range_of_another_version_is_answered_with_the_whole_file():
    assert wanted_range("bytes=0-1", '"other"', DIGEST, 10) is None
    assert wanted_range("bytes=10-", '"other"', DIGEST, 10) is None
    assert wanted_range("bytes=0-1", f'W/"{DIGEST}"', DIGEST, 10) is None
    assert wanted_range("bytes=0-1", f'"{DIGEST}"', DIGEST, 10) == range(2)


@pytest.mark.parametrize("condition", ["*", f'"{DIGEST}"', f'"x", W/"{DIGEST}"'])
def test_a_condition_matches_the_digest(condition):
    assert matches(condition, DIGEST)


@pytest.mark.parametrize("condition", [None, "", DIGEST, '"x"'])
def test_another_condition_does_not_match(condition):
    assert not matches(condition, DIGEST)
