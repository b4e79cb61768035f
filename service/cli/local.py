"""The command of a local stack: up."""

from pathlib import Path
from typing import Annotated

import typer

from service.cli.extras import require
from service.stack.data_directory import DataDirectory

DataDir = Annotated[
    Path | None,
    typer.Option(
        help="Data directory: database, blobs, logs and keys.",
        show_default=str(DataDirectory.default().directory),
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(up)


def up(
    data_dir: DataDir = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the API; 0 for any free port.")
    ] = 8000,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Number of runs at once (default: one for each GPU or core)"),
    ] = None,
) -> None:
    """Run the whole service on this machine until Ctrl-C.

    Starts the API, workers, Postgres and Valkey. If LTH_DATABASE_URL, LTH_BROKER_URL or
    LTH_OBJECT_STORE_URL is set, the service uses that part instead of its own.
    """
    require("local")
    from service.cli.narrating import ScreenNarrator
    from service.stack.starting import Options
    from service.stack.up import run_stack

    data = DataDirectory.named(data_dir)
    run_stack(Options(data, port, workers), ScreenNarrator(data))
