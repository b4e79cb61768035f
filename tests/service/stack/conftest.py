"""Fixtures for stacks that several users of the machine may access."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree

import pytest


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can enter, unlike pytest's folders."""
    folder = Path(tempfile.mkdtemp(prefix="lth-open-"))
    folder.chmod(0o755)
    yield folder
    rmtree(folder)
