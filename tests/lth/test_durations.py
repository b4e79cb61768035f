"""Lengths of training are text, wherever they are seen."""

import pytest

from lth.durations import Duration
from lth.training import Training


@pytest.mark.parametrize("text", ["20ep", "0it", "50000it"])
def test_a_duration_is_written_as_it_was_read(text):
    assert str(Duration.parse(text)) == text


@pytest.mark.parametrize("text", ["", "20", "ep", "-1ep", "1.5ep", "020ep", "1e3it", "20 ep"])
def test_what_is_no_duration_is_refused_with_examples(text):
    with pytest.raises(ValueError, match="'20ep' or '50000it'"):
        Duration.parse(text)


def test_epochs_are_counted_in_steps():
    assert Duration.parse("3ep").iterations(100) == 300
    assert Duration.parse("3it").iterations(100) == 3


def test_a_default_is_text_in_the_schema():
    assert Training.model_json_schema()["properties"]["duration"]["default"] == "20ep"


def test_a_document_has_durations_as_text():
    assert Training.model_validate({"duration": "3ep"}).model_dump(mode="json")["duration"] == "3ep"
