"""How the application is served: by uvicorn, with the bounds of `service.api.http.connections`."""

from functools import partial
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from service.api.http.protocol import BoundedProtocol

_BACKLOG = 512
"""Connections that the system accepts while the event loop is busy. They are accepted together,
before any of them can be ended, so they must fit beside those that are open."""


def server_config(app: FastAPI, graceful_seconds: int, **options: Any) -> uvicorn.Config:
    """The configuration of a server for an application.

    `FORWARDED_ALLOW_IPS` names trusted proxies, as uvicorn says. A connection of theirs is any
    client's, so that the bound on the connections of one address does not hold for them.
    """
    config = uvicorn.Config(
        app,
        ws="none",
        access_log=False,
        log_config=None,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=graceful_seconds,
        **options,
    )
    proxies = ProxyHeadersMiddleware(app, config.forwarded_allow_ips).trusted_hosts  # pyright: ignore[reportArgumentType]
    config.http = partial(BoundedProtocol, app.state.connections, proxies)  # pyright: ignore[reportAttributeAccessIssue]
    return config
