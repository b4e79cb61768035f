"""The command of a local stack: up."""

from pathlib import Path
from typing import Annotated

import typer

from service.cli.extras import require
from service.stack.data_directory import DataDirectory

DataDir = Annotated[
    Path | None,
    typer.Option(
        help="Where everything is kept.", show_default=str(DataDirectory.default().directory)
    ),
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

    If LTH_DATABASE_URL, LTH_BROKER_URL or LTH_OBJECT_STORE_URL is set, that part is used instead.
    """
    require("local")
    from service.cli.narrating import ScreenNarrator
    from service.stack.starting import Options
    from service.stack.up import run_stack

    place = DataDirectory(data_dir.absolute()) if data_dir else DataDirectory.default()
    run_stack(Options(place, port, workers), ScreenNarrator(place))
