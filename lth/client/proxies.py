"""Decides which requests go through a proxy of the environment.

The rules of httpx are not used. They also send requests to this machine through a proxy, and they
fail at a wrong variable even if no request needs it.
"""

import os
import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.request import getproxies

import httpx

_PASSWORD = re.compile(r"^(\w+://)?.*@")
_ENTRY = re.compile(r"(?:(?P<scheme>\w+)://)?\*?\.?(?P<host>.*?)(?::(?P<port>\d+))?")
"""An entry of ``NO_PROXY``: a host and the hosts below it, perhaps with a scheme and a port."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy.

    Attributes:
        variable: the environment variable that names it, such as ``HTTPS_PROXY``.
        address: the value of the variable; it may contain a password.
    """

    variable: str
    address: str

    def __str__(self) -> str:
        """Without the password."""
        return f"the proxy {self.shown} of {self.variable}"

    @property
    def shown(self) -> str:
        """The address without the password."""
        return _PASSWORD.sub(r"\1***@", self.address)


def proxy_for(url: httpx.URL) -> Proxy | None:
    """The proxy for a request; None if it goes directly to the server.

    Requests to this machine never use a proxy.
    """
    if is_loopback(url.host):
        return None
    addresses = getproxies()
    if _is_excluded(url, addresses.get("no", "")):
        return None
    for kind in (url.scheme, "all"):
        if address := addresses.get(kind):
            return Proxy(_variable(kind, address), address)
    return None


def is_loopback(host: str) -> bool:
    """Whether a host is this machine: ``localhost``, or a loopback address in any notation."""
    name = host.lower().rstrip(".")
    address = _address(name)
    if address is None:
        return name == "localhost" or name.endswith(".localhost")
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    return address.is_loopback or address.is_unspecified


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """The address that a host is; None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))  # short notations, such as 127.1
    except OSError:
        return None


def _is_excluded(url: httpx.URL, no_proxy: str) -> bool:
    """Whether ``NO_PROXY`` contains a host: ``*``, a domain, an address or a network."""
    address = _address(url.host)
    return any(
        entry == "*" or _in_network(address, entry) or _names(entry, url)
        for entry in no_proxy.lower().replace(",", " ").split()
    )


def _in_network(address: IPv4Address | IPv6Address | None, entry: str) -> bool:
    try:
        return address is not None and address in ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return False


def _names(entry: str, url: httpx.URL) -> bool:
    match = _ENTRY.fullmatch(entry)
    if match is None or not match["host"]:
        return False
    host, domain = url.host.lower(), match["host"].strip("[]")
    return (
        (host == domain or host.endswith(f".{domain}"))
        and match["scheme"] in (None, "all", url.scheme)
        and match["port"] in (None, str(url.port or _PORTS.get(url.scheme)))
    )


_PORTS = {"http": 80, "https": 443}


def _variable(kind: str, address: str) -> str:
    """The variable from which Python has read the address of a proxy."""
    for name, value in sorted(os.environ.items(), reverse=True):  # Python prefers small letters
        if name.lower() == f"{kind}_proxy" and value == address:
            return name
    return "this system's settings"
