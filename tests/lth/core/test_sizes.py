"""Numbers of bytes for people."""

import pytest

from lth.core.sizes import size_text


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1536, "1.5 KiB"),
        (12 << 30, "12 GiB"),
        (40_000_000_000, "37.3 GiB"),
        (3 << 40, "3 TiB"),
    ],
)
def test_a_size_has_a_unit_and_at_most_one_decimal(size: int, said: str) -> None:
    assert size_text(size) == said
