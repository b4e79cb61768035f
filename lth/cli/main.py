"""The command line ``lth``: its commands, and the exit codes of its errors."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Annotated

import typer

from lth.cli import administration, jobs, planning, servers, steering, teams, webhooks
from lth.cli.connection import Connection
from lth.cli.exits import EPILOG, CommandFailed, Exit
from lth.cli.screen import json_wanted, say, say_json
from lth.client.errors import (
    BadDocument,
    ClientError,
    DamagedDownload,
    Invalid,
    JobNotSucceeded,
    NotAuthenticated,
    NotTheService,
    Refused,
    ServiceFailed,
    Unreachable,
    Wrong,
)
from lth.core.extensions import BadExtension
from lth.core.secrets import print_uncaught

_KEYS = "Set a key with --key or LTH_API_KEY. An administrator creates keys with 'lth keys new'."

app = typer.Typer(
    name="lth",
    help="Run lottery-ticket experiments on a shared service.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
for commands in (jobs, steering, planning, administration, teams, webhooks, servers):
    commands.add_to(app)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lth {version('lth')}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    server: Annotated[
        str | None,
        typer.Option(help="Address of the service (default: $LTH_SERVER, or the local stack)"),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            help="API key (default: $LTH_API_KEY, or the local stack's). Other users of the "
            "machine can see this option; they cannot see the variable."
        ),
    ] = None,
    _: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    context.obj = Connection(server, key)


def main() -> None:
    """Run the command line. Known errors become a message and an exit code."""
    sys.excepthook = print_uncaught
    try:
        code = app(prog_name="lth", standalone_mode=not json_wanted())
        if code == Exit.INTERRUPTED:
            raise KeyboardInterrupt
        sys.exit(code)
    except typer.TyperException as error:
        _fail(error.format_message(), Exit.USAGE)
    except BadDocument as error:
        _fail(_listed(error.wrong, error.name) or str(error), Exit.INVALID, error.wrong)
    except Invalid as error:
        code = Exit.USAGE if error.wrong_parameters else Exit.INVALID
        _fail(_listed(error.wrong) or str(error), code, error.wrong)
    except JobNotSucceeded as error:
        _fail(str(error), Exit.FAILED)
    except (Unreachable, NotTheService, ServiceFailed, DamagedDownload) as error:
        _fail(str(error), Exit.UNREACHABLE)
    except NotAuthenticated as error:
        _fail(f"{error} ({error.status})\n{_KEYS}", Exit.REFUSED)
    except Refused as error:
        _fail(f"{error} ({error.status})", Exit.REFUSED)
    except ClientError as error:
        _fail(str(error), Exit.UNREACHABLE)
    except CommandFailed as error:
        _fail(str(error), error.code)
    except BadExtension as error:
        _fail(str(error), Exit.STACK)
    except OSError as error:
        if error.filename is None:  # not about a file of the user
            raise
        _fail(f"{error.filename}: {error.strerror}", Exit.USAGE)
    except KeyboardInterrupt:
        _fail("interrupted", Exit.INTERRUPTED)


def _listed(fields: Sequence[Wrong], name: str = "") -> str:
    """All wrong fields of a document, or of the file with this name."""
    if not fields:
        return ""
    found = f"{len(fields)} wrong fields" if len(fields) > 1 else "wrong field"
    lines = [f"{found} in {name}:" if name else f"{found}:"]
    for wrong in fields:
        lines.append(f"  {wrong.pointer or '(the document)'}: {wrong.detail}")
        if wrong.value is not None:
            lines.append(f"      found     {wrong.value!r}")
        if wrong.expected:
            lines.append(f"      expected  {wrong.expected}")
    return "\n".join(lines)


def _fail(message: str, code: Exit, wrong: Sequence[Wrong] = ()) -> None:
    """Print an error, as JSON if the command prints JSON, and exit."""
    if json_wanted():
        fields = [asdict(one) for one in wrong]
        say_json({"error": {"message": message, "exit_code": int(code), "wrong": fields}})
    else:
        say(message, style="red")
    sys.exit(code)
