"""Connects to servers: proxies, certificates, and messages if a connection fails."""

import os
import ssl
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import httpx

from lth.client.errors import Unreachable
from lth.client.proxies import Proxy, proxy_for

_PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")
_HIGHEST_PORT = 65_535
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""The variables that httpx reads. The first one that is set counts."""
_KEY_LOG = "SSLKEYLOGFILE"
"""Python writes the keys of TLS connections to this file, for debugging."""


@dataclass(frozen=True, slots=True)
class Route:
    """How a request reaches its server.

    Attributes:
        secure: whether the server is reached with TLS.
        proxy: the proxy; None for a direct connection.
    """

    secure: bool
    proxy: Proxy | None

    def httpx_proxy(self) -> httpx.Proxy | None:
        """The proxy for httpx.

        Raises:
            Unreachable: if the variable contains no address of a proxy.
        """
        return None if self.proxy is None else _parsed(self.proxy)

    def certificates(self) -> ssl.SSLContext:
        """The trusted certificates. Without TLS there are none, and no variable is read.

        Raises:
            Unreachable: if a variable names no certificates.
        """
        return _certificates() if self.secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def route_to(url: httpx.URL) -> Route:
    """The route of a request."""
    return Route(url.scheme == "https", proxy_for(url))


def no_answer(server: str, error: Exception | str) -> Unreachable:
    """The error for a request that got no response; it names the proxy, if one was used."""
    if isinstance(error, Unreachable):
        return error
    try:
        url = error.request.url if isinstance(error, httpx.RequestError) else httpx.URL(server)
    except RuntimeError:  # errors of httpx-sse have no request
        url = httpx.URL(server)
    proxy, advice = proxy_for(url), ""
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        advice = f". The trusted certificates are {_source()}"
    elif proxy is not None:
        advice = f". Check {proxy.variable}, or exclude {url.host} with NO_PROXY"
    through = f" through {proxy}" if proxy else ""
    return Unreachable(
        f"no answer from {url.scheme}://{url.netloc.decode()}{through}: {error}{advice}"
    )


def is_address(text: str) -> bool:
    """Whether a text is a URL with a host, and perhaps with a port."""
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        return False
    return bool(url.host) and (url.port or 0) <= _HIGHEST_PORT


def _parsed(proxy: Proxy) -> httpx.Proxy:
    address = proxy.address if "://" in proxy.address else f"http://{proxy.address}"
    scheme = address.partition("://")[0].lower()
    if scheme not in _PROXY_SCHEMES or not is_address(address):
        raise Unreachable(
            f"{proxy.variable} is {proxy.shown!r}, which is not the address of a proxy; expected "
            "http://HOST:PORT"
        )
    if scheme.startswith("socks") and find_spec("socksio") is None:
        raise Unreachable(
            f"{proxy.variable} is {proxy.shown!r}, and SOCKS needs a package that is not "
            "installed: pip install 'httpx[socks]'"
        )
    return httpx.Proxy(address)


def _certificates() -> ssl.SSLContext:
    variable = _certificate_variable()
    if variable == "SSL_CERT_DIR":
        folders = os.environ[variable].split(os.pathsep)
        if not any(Path(folder).is_dir() for folder in folders):
            raise _no_certificates(variable, "no such directory")
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        if error.filename == os.environ.get(_KEY_LOG, ""):
            raise Unreachable(
                f"{_KEY_LOG} is {error.filename!r}, which cannot be written: {error.strerror}"
            ) from None
        if variable is None:
            raise
        raise _no_certificates(variable, str(error.strerror or error)) from None


def _no_certificates(variable: str, reason: str) -> Unreachable:
    expected = "a file of PEM certificates" if variable == "SSL_CERT_FILE" else "a directory"
    return Unreachable(
        f"{variable} is {os.environ[variable]!r}, which has no certificates: {reason}; "
        f"expected {expected}"
    )


def _certificate_variable() -> str | None:
    return next((name for name in _CERTIFICATES if os.environ.get(name)), None)


def _source() -> str:
    variable = _certificate_variable()
    if variable is not None:
        return f"those of {variable}={os.environ[variable]}"
    return "those of the package certifi; name a file with others in SSL_CERT_FILE"
