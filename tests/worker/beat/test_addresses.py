"""Webhooks cannot call private addresses, however they are written."""

from ipaddress import IPv4Network, IPv6Address, ip_address, ip_network

import httpx
import pytest

from service.addresses import SPECIAL_IPV4, SPECIAL_IPV6, is_public
from worker.beat.webhooks import NotCalled, resolve


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "[::1]", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254"),
        *("100.64.0.1", "0.0.0.0", "[::ffff:10.0.0.1]", "[64:ff9b::a00:1]", "[2002:a00:1::]"),
        *("[fec0::1]", "[64:ff9b:1::1]", "[::127.0.0.1]", "[5f00::1]", "[ff0e::1]"),
        *("[fe80::1]", "[fd00::1]", "2130706433", "0x7f.1", "localhost", "255.255.255.255"),
        *("224.0.0.1", "[::ffff:239.1.1.1]"),
        *("192.0.0.192", "168.63.129.16", "100.100.100.200", "[fd00:ec2::254]", "127.1"),
        *("[2001::1]", "[2001:db8::1]", "[3fff::1]", "[2620:4f:8000::1]", "[100::1]"),
    ],
)
def test_every_notation_of_a_private_address_is_recognized(host):
    with pytest.raises(NotCalled):
        resolve(httpx.URL(f"http://{host}/"), private_allowed=False)


def test_a_name_is_not_called_if_one_of_its_addresses_is_private(monkeypatch):
    found = [(None, None, None, "", (address, 80)) for address in ("8.8.8.8", "10.0.0.1")]
    monkeypatch.setattr("worker.beat.webhooks.socket.getaddrinfo", lambda *_, **__: found)
    with pytest.raises(NotCalled):
        resolve(httpx.URL("http://two.example/"), private_allowed=False)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"]
)
def test_public_addresses_are_public(address):
    assert is_public(ip_address(address))


@pytest.mark.parametrize("special", [*SPECIAL_IPV4, *SPECIAL_IPV6])
def test_the_bounds_of_a_special_range_are_recognized(special):
    network = ip_network(special)
    first, last = network[0], network[-1]
    assert not is_public(first)
    assert not is_public(last)
    if isinstance(network, IPv4Network):
        for address in (first, last):
            assert not is_public(IPv6Address(f"::ffff:{address}"))
            assert not is_public(IPv6Address(f"64:ff9b::{address}"))


@pytest.mark.parametrize(
    "address",
    [
        *("1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0"),
        *("168.63.129.15", "168.63.129.17", "172.15.255.255", "172.32.0.0", "191.255.255.255"),
        *("192.0.1.0", "192.0.3.0", "198.17.255.255", "198.20.0.0", "223.255.255.255"),
        *("2001:200::", "2001:db7:ffff::", "2001:db9::", "2003::", "2a00::", "3ffe:ffff::"),
    ],
)
def test_the_neighbours_of_special_ranges_are_public(address):
    assert is_public(ip_address(address))
