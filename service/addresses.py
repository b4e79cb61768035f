"""Addresses that are not part of the public internet, from IANA's registries.

Python's `ipaddress.is_global` changes with the version of Python, and knows no cloud provider.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

SPECIAL_IPV4: dict[str, str] = {
    "0.0.0.0/8": "this network",
    "10.0.0.0/8": "private use",
    "100.64.0.0/10": "shared address space",
    "127.0.0.0/8": "loopback",
    "168.63.129.16/32": "Azure's platform services",
    "169.254.0.0/16": "link local, with the metadata services of clouds",
    "172.16.0.0/12": "private use",
    "192.0.0.0/24": "IETF protocol assignments, with Oracle Cloud's metadata service",
    "192.0.2.0/24": "documentation",
    "192.31.196.0/24": "AS112",
    "192.52.193.0/24": "AMT",
    "192.88.99.0/24": "deprecated 6to4 relays",
    "192.168.0.0/16": "private use",
    "192.175.48.0/24": "AS112",
    "198.18.0.0/15": "benchmarking",
    "198.51.100.0/24": "documentation",
    "203.0.113.0/24": "documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved, with the limited broadcast",
}
"""IANA IPv4 Special-Purpose Address Registry, multicast, and one address of a cloud."""

SPECIAL_IPV6: dict[str, str] = {
    "2001::/23": "IETF protocol assignments, with Teredo, ORCHID and benchmarking",
    "2001:db8::/32": "documentation",
    "2002::/16": "6to4",
    "2620:4f:8000::/48": "AS112",
    "3fff::/20": "documentation",
}
"""IANA IPv6 Special-Purpose Address Registry, within the global unicast range."""

_GLOBAL_UNICAST = IPv6Network("2000::/3")
"""The global unicast range; all other IPv6 addresses are special or hold IPv4."""
_WITH_IPV4 = (IPv6Network("64:ff9b::/96"), IPv6Network("::ffff:0:0/96"))
"""NAT64 and mapped addresses: the last 32 bits are the IPv4 address that is called."""
_IPV4 = tuple(map(IPv4Network, SPECIAL_IPV4))
_IPV6 = tuple(map(IPv6Network, SPECIAL_IPV6))


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is part of the public internet."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _IPV4)
    if any(address in network for network in _WITH_IPV4):
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    return address in _GLOBAL_UNICAST and not any(address in network for network in _IPV6)
