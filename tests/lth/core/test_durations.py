import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from lth.core.durations import Duration, Length, Point
from lth.core.limits import Limits

LENGTH, POINT = TypeAdapter(Length), TypeAdapter(Point)


@given(count=st.integers(0, 999_999_999), unit=st.sampled_from(["ep", "it"]))
def test_a_written_duration_can_be_parsed(count, unit):
    duration = Duration(count, unit)
    assert Duration.parse(str(duration)) == duration
    assert POINT.validate_json(POINT.dump_json(duration)) == duration


def test_epochs_are_converted_to_iterations():
    assert Duration.parse("3ep").iterations(916) == 2_748
    assert Duration.parse("3it").iterations(916) == 3


@pytest.mark.parametrize(
    "text",
    ["", "20", "ep", "20 ep", "20epochs", "-1ep", "1.5ep", "020ep", "1e3it", "20EP", "20ep\n"],
)
def test_a_malformed_duration_is_refused_with_an_example(text):
    with pytest.raises(ValidationError, match=r"is not a duration; .* such as '20ep' or '50000it'"):
        LENGTH.validate_python(text)


@pytest.mark.parametrize("value", [20, 1.5, None, True, ["20ep"]])
def test_a_number_without_a_unit_is_refused(value):
    with pytest.raises(ValidationError, match="is not a duration; write text"):
        LENGTH.validate_python(value)


def test_a_point_can_be_zero_and_a_length_cannot():
    assert POINT.validate_python("0it") == Duration(0, "it")
    with pytest.raises(ValidationError, match="'0ep' is too short; give at least '1ep'"):
        LENGTH.validate_python("0ep")


def test_epochs_and_iterations_have_separate_limits():
    limits = Limits(max_epochs=5, max_iterations=50)
    for text in ("5ep", "50it"):
        LENGTH.validate_python(text, context=limits)
    for text, most in (("6ep", "5ep"), ("51it", "50it")):
        with pytest.raises(ValidationError, match=f"'{text}' is more than the limit of '{most}'"):
            LENGTH.validate_python(text, context=limits)


def test_the_schema_has_examples():
    schema = LENGTH.json_schema()
    assert schema["type"] == "string"
    assert schema["examples"] == ["20ep", "50000it"]
