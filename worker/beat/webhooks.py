"""Calls addresses when jobs end: signed, tried again, and never into the private network.

The signature is that of Standard Webhooks: HMAC-SHA256 over ``id.timestamp.body``, with a secret
that each owner has for themselves.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import socket
import threading
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import httpx

from service import signing
from service.addresses import is_public
from service.settings import Settings
from service.store.database import Database
from service.store.jobs import webhooks
from service.store.jobs.webhooks import Call

_AT_ONCE = 32
_LOOKUP_SECONDS = 5.0
"""The longest that the lookup of a name may take."""

log = logging.getLogger(__name__)


class NotCalled(Exception):
    """An address could not be called, or did not answer well; the message says why."""


@dataclass
class WebhookCaller:
    """Calls what is due, several at once.

    An owner and a host have few of the calls at a time (`webhooks.PER_OWNER`, `PER_HOST`), so that
    a receiver that never answers delays only its owner's calls.
    """

    settings: Settings
    database: Database
    seconds: float = 20.0
    """The longest that a call may take, from the connection to the head of the answer."""

    def __post_init__(self) -> None:
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="webhook")
        self._under_way: dict[Future[None], Call] = {}

    def round(self) -> None:
        """Start the calls that are due, as many as there is room for; returns before they end."""
        for call in self._under_way:
            if call.done() and (error := call.exception()):
                log.error("what came of a webhook could not be noted", exc_info=error)
        self._under_way = {one: call for one, call in self._under_way.items() if not one.done()}
        room = _AT_ONCE - len(self._under_way)
        by_owner = Counter(call.owner for call in self._under_way.values())
        by_host = Counter(call.host for call in self._under_way.values())
        with self.database.transaction() as session:
            calls = webhooks.claim_due(session, room, by_owner, by_host)
        for call in calls:
            self._under_way[self._threads.submit(self.deliver, call)] = call

    def deliver(self, call: Call) -> None:
        """Call one address, and note what came of it."""
        try:
            self._post(call)
        except NotCalled as error:
            log.warning("the webhook of %s failed: %s", call.job_id, error)
            with self.database.transaction() as session:
                webhooks.failed(session, call, str(error))
        else:
            with self.database.transaction() as session:
                webhooks.delivered(session, call.job_id)

    def _post(self, call: Call) -> None:
        secret = signing.secret_of(self.settings, call.owner)
        if secret is None:
            raise NotCalled("LTH_SIGNING_SECRET is not set where webhooks are called from")
        url = httpx.URL(call.url)
        address = resolve(url, private_allowed=self.settings.webhook_private_addresses)
        content = json.dumps({"type": "job.finished", "data": call.data}).encode()
        headers = {
            "Content-Type": "application/json",
            "Host": url.netloc.decode(),
            **signed(secret, call.job_id, content),
        }
        # The address that was looked at is the one that is called: a name could change meanwhile.
        pinned = url.copy_with(host=address)
        request = httpx.Request(
            "POST",
            pinned,
            content=content,
            headers=headers,
            extensions={"sni_hostname": url.host},
        )
        try:
            status = asyncio.run(self._status(request))
        except TimeoutError:
            raise NotCalled(f"{url.host} did not answer within {self.seconds:g} s") from None
        except httpx.HTTPError as error:
            raise NotCalled(f"{url.host} cannot be called: {type(error).__name__}") from None
        if not 200 <= status < 300:
            raise NotCalled(f"{url.host} answered {status}; right would be 2xx")

    async def _status(self, request: httpx.Request) -> int:
        """The status of the answer, whose body is nothing to us, and is not read.

        Only asyncio bounds a call as a whole; httpx bounds each wait for the next byte.
        """
        async with asyncio.timeout(self.seconds), httpx.AsyncClient(trust_env=False) as client:
            response = await client.send(request, stream=True)
            await response.aclose()
            return response.status_code


def signed(secret: bytes, name: str, content: bytes, now: int | None = None) -> dict[str, str]:
    """The headers by which a receiver knows that the call is ours, and that it is not old."""
    timestamp = str(int(time.time()) if now is None else now)
    said = b".".join((name.encode(), timestamp.encode(), content))
    digest = hmac.digest(secret, said, hashlib.sha256)
    return {
        "webhook-id": name,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def resolve(url: httpx.URL, *, private_allowed: bool) -> str:
    """The address behind a name, which must not be one of the private network.

    Raises:
        NotCalled: when the name is not known, or one of its addresses is private.
    """
    port = url.port or (443 if url.scheme == "https" else 80)
    lookup: Future[list[Any]] = Future()
    threading.Thread(
        target=_look_up, args=(url.host, port, lookup), name="lookup", daemon=True
    ).start()
    try:
        found = lookup.result(_LOOKUP_SECONDS)
    except TooLate:
        raise NotCalled(f"'{url.host}' was not found within {_LOOKUP_SECONDS:g} s") from None
    except (OSError, UnicodeError) as error:
        raise NotCalled(f"'{url.host}' has no address: {error}") from None
    addresses = [ip_address(str(info[4][0]).partition("%")[0]) for info in found]
    if not private_allowed and not all(map(is_public, addresses)):
        # Which address it is nobody is told: a name of the private network would give it away.
        raise NotCalled(
            f"'{url.host}' is at no public address; LTH_WEBHOOK_PRIVATE_ADDRESSES allows others"
        )
    return str(addresses[0])


def _look_up(host: str, port: int, lookup: "Future[list[Any]]") -> None:
    """Look a name up, from a thread of its own: nothing else bounds how long that takes."""
    try:
        lookup.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except Exception as error:
        lookup.set_exception(error)
