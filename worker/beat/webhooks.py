"""Calls webhooks when jobs end: signed, retried, and never within the private network.

The signature follows Standard Webhooks: HMAC-SHA256 over ``id.timestamp.body``, with a secret for
each owner.
"""

import asyncio
import json
import logging
import socket
import threading
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import httpx

from lth.core.webhook_signature import signed
from service import signing
from service.addresses import is_public
from service.settings import Settings
from service.store.database import Database
from service.store.jobs import webhooks
from service.store.jobs.webhooks import Call

_AT_ONCE = 32
_LOOKUP_SECONDS = 5.0
"""Timeout of a DNS lookup in seconds."""

log = logging.getLogger(__name__)


class NotCalled(Exception):
    """The call failed; the message says why."""


@dataclass
class WebhookCaller:
    """Calls due webhooks, several at once.

    The calls of an owner and to a host are limited (`webhooks.PER_OWNER`, `PER_HOST`), so a
    receiver that never answers delays only the calls of its owner.
    """

    settings: Settings
    database: Database
    seconds: float = 20.0
    """Timeout of a call in seconds, from the connection to the head of the response."""

    def __post_init__(self) -> None:
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="webhook")
        self._running_calls: dict[Future[None], Call] = {}

    def round(self) -> None:
        """Start due calls, up to the limit; does not wait for their end."""
        for call in self._running_calls:
            if call.done() and (error := call.exception()):
                log.error("the outcome of a webhook could not be stored", exc_info=error)
        self._running_calls = {
            one: call for one, call in self._running_calls.items() if not one.done()
        }
        room = _AT_ONCE - len(self._running_calls)
        by_owner = Counter(call.owner for call in self._running_calls.values())
        by_host = Counter(call.host for call in self._running_calls.values())
        with self.database.transaction() as session:
            calls = webhooks.claim_due(session, room, by_owner, by_host)
        for call in calls:
            self._running_calls[self._threads.submit(self.deliver, call)] = call

    def deliver(self, call: Call) -> None:
        """Call one webhook, and record the outcome."""
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
            raise NotCalled("LTH_SIGNING_SECRET is not set for the beat, which calls webhooks")
        url = httpx.URL(call.url)
        address = resolve(url, private_allowed=self.settings.webhook_private_addresses)
        content = json.dumps({"type": "job.finished", "data": call.data}).encode()
        headers = {
            "Content-Type": "application/json",
            "Host": url.netloc.decode(),
            **signed(secret, call.job_id, content),
        }
        # Call the address that was checked, because the name could resolve differently later.
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
            raise NotCalled(f"{url.host} answered {status}; expected 2xx")

    async def _status(self, request: httpx.Request) -> int:
        """The status of the response; its body is not read.

        The timeout of asyncio bounds the whole call; those of httpx bound each wait for the next
        byte.
        """
        async with asyncio.timeout(self.seconds), httpx.AsyncClient(trust_env=False) as client:
            response = await client.send(request, stream=True)
            await response.aclose()
            return response.status_code


def resolve(url: httpx.URL, *, private_allowed: bool) -> str:
    """The address of a host name, which must be public.

    Raises:
        NotCalled: if the name is unknown, or one of its addresses is not public.
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
        # The message does not show the address, which would reveal the private network.
        raise NotCalled(
            f"'{url.host}' has an address that is not public; allow it with "
            "LTH_WEBHOOK_PRIVATE_ADDRESSES"
        )
    return str(addresses[0])


def _look_up(host: str, port: int, lookup: "Future[list[Any]]") -> None:
    """Look up a name in a thread, because a lookup has no timeout of its own."""
    try:
        lookup.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except Exception as error:
        lookup.set_exception(error)
