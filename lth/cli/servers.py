"""The commands of servers, such as `lth up`. They come from the package lth-service.

lth-service registers a function under the entry-point group ``lth.commands``. The function adds
commands to the command line. Without lth-service, the same commands say what to install.
"""

from importlib.metadata import entry_points

import typer

from lth.cli.exits import CommandFailed, Exit

GROUP = "lth.commands"
PANEL = "For servers"
COMMANDS = {
    "up": "Run the whole service on this machine.",
    "api": "Run the HTTP API.",
    "worker": "Run the workers of this machine.",
    "beat": "Run the sweeper, the housekeeping and the webhooks.",
    "migrate": "Update the tables of the database.",
    "backup": "Write a backup of the service to a file.",
    "restore": "Restore a backup.",
    "verify": "Check the stored files.",
}


class NotInstalled(CommandFailed):
    """The command needs packages that are not installed."""

    code = Exit.STACK


def add_to(app: typer.Typer) -> None:
    """Add the commands of servers, or commands that say what to install."""
    found = entry_points(group=GROUP)
    for entry_point in found:
        entry_point.load()(app)
    if not found:
        for name, text in COMMANDS.items():
            app.command(
                name,
                help=f"{text} Needs the package lth-service.",
                rich_help_panel=PANEL,
                context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
            )(_not_installed)


def _not_installed(context: typer.Context) -> None:
    extra = "[local]" if context.info_name == "up" else "[worker]"
    raise NotInstalled(
        f"'lth {context.info_name}' needs the package lth-service, which is not installed: "
        f"pip install 'lth-service{extra}'"
    )
