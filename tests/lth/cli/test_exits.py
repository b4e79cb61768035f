"""All exit codes are documented."""

import re

import pytest

from lth.cli.exits import EPILOG, Exit
from tests import ROOT


@pytest.mark.parametrize("page", ["docs/client.md", "docs/ci.md"])
def test_guides_list_all_exit_codes(page: str) -> None:
    rows = re.findall(r"^\| (\d+) \| .+ \|$", (ROOT / page).read_text(), re.MULTILINE)
    assert [int(code) for code in rows] == sorted(Exit)


def test_the_help_lists_all_exit_codes() -> None:
    assert [int(code) for code in re.findall(r"\d+", EPILOG)] == sorted(Exit)
