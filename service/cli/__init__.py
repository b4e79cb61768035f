"""The commands of servers; `lth` finds them through the entry-point group ``lth.commands``."""

import typer

from service.cli import local, serving


def add_to(app: typer.Typer) -> None:
    """Add the commands of servers to the command line `lth`."""
    local.add_to(app)
    serving.add_to(app)
