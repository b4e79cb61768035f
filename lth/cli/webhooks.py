"""Commands for webhooks: their secret, and a test of a receiver."""

import json
from datetime import UTC, datetime
from typing import Annotated
from uuid import uuid4

import httpx
import typer

from lth.cli.connection import Json, open_client
from lth.cli.exits import CommandFailed, Exit
from lth.cli.screen import put, put_json, say
from lth.client import requests
from lth.core.webhook_signature import secret_bytes, signed

webhook = typer.Typer(no_args_is_help=True, help="Show the secret of your webhooks, and test them.")

_SECONDS = 20.0


class ReceiverFailed(CommandFailed):
    """The receiver of a webhook did not accept the call."""

    code = Exit.UNREACHABLE


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.add_typer(webhook, name="webhook")


@webhook.command("secret")
def show_secret(context: typer.Context, as_json: Json = False) -> None:
    """Print the secret with which a receiver verifies your webhooks."""
    with open_client(context) as client:
        found = client.send(requests.webhook_secret())
    put_json(found) if as_json else put(found.secret)


@webhook.command("test")
def call_receiver(
    context: typer.Context,
    url: Annotated[str, typer.Argument(help="The address of the receiver.")],
    as_json: Json = False,
) -> None:
    """Send a signed example to a receiver, from this machine.

    The service calls a webhook in the same way when a job ends.
    """
    with open_client(context) as client:
        found = client.send(requests.webhook_secret())
    name = f"job_{uuid4().hex}"
    now = datetime.now(UTC).isoformat()
    example = {
        "id": name,
        "name": "a test",
        "owner": found.owner,
        "labels": {},
        "state": "succeeded",
        "failure": None,
        "created_at": now,
        "finished_at": now,
    }
    content = json.dumps({"type": "job.finished", "data": example}).encode()
    headers = {"Content-Type": "application/json"}
    headers |= signed(secret_bytes(found.secret), name, content)
    try:
        answer = httpx.post(url, content=content, headers=headers, timeout=_SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ReceiverFailed(f"{url} cannot be called: {error}") from None
    if not answer.is_success:
        raise ReceiverFailed(f"{url} answered {answer.status_code}; expected 2xx")
    if as_json:
        put_json({"url": url, "status": answer.status_code})
    else:
        say(f"{url} answered {answer.status_code}")
