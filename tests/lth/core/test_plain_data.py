"""Documents of the Python client are plain data, or are refused before they are sent."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from lth.client import requests
from lth.core.errors import SpecError
from lth.core.plain_data import require_plain

PLAIN = {"a": [1, 2.5, True, None, "text"], "b": {"c": ({},)}, 3: "a key that JSON writes as text"}
CIRCLE: dict[str, object] = {}
CIRCLE["again"] = CIRCLE


def test_plain_data_is_unchanged():
    assert require_plain(PLAIN) == PLAIN


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (date(2024, 1, 1), r"b/0: this is a date \(found '2024-01-01'; expected: text, such as"),
        (float("nan"), r"b/0: this number is not finite \(found 'nan'; expected: a finite number"),
        (np.float32(0.5), "b/0: this is a numpy.float32"),
        (np.arange(3), "b/0: this is a numpy.ndarray"),
        ({1, 2}, "b/0: this is a set"),
        (b"bytes", "b/0: this is a bytes"),
        (Path("x"), r"b/0: this is a pathlib.\w+"),
        ({(1, 2): 3}, r"b/0/\(1, 2\): the key is a tuple"),
        ("\ud800", "b/0: this is not valid Unicode"),
        (CIRCLE, "nested too deeply, or contains itself"),
    ],
    ids=str,
)
@pytest.mark.parametrize("send", [requests.submit, requests.estimate])
def test_a_value_that_json_cannot_express_is_named(send, value, said):
    with pytest.raises(SpecError, match=said):
        send({"kind": "model", "b": [value]})
