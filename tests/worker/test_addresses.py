"""Which addresses a webhook may be at: none of the private network, however it is written."""

from ipaddress import ip_address

import httpx
import pytest

from worker.webhooks import NotCalled, is_public, resolve


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "[::1]", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254"),
        *("100.64.0.1", "0.0.0.0", "[::ffff:10.0.0.1]", "[64:ff9b::a00:1]", "[2002:a00:1::]"),
        *("[fec0::1]", "[64:ff9b:1::1]", "[::127.0.0.1]", "[5f00::1]", "[ff0e::1]"),
        *("[fe80::1]", "[fd00::1]", "2130706433", "0x7f.1", "localhost", "255.255.255.255"),
        *("224.0.0.1", "[::ffff:239.1.1.1]"),
    ],
)
def test_every_way_to_write_a_private_address_is_seen(host):
    with pytest.raises(NotCalled):
        resolve(httpx.URL(f"http://{host}/"), private_allowed=False)


def test_a_name_is_not_called_if_one_of_its_addresses_is_private(monkeypatch):
    found = [(None, None, None, "", (address, 80)) for address in ("8.8.8.8", "10.0.0.1")]
    monkeypatch.setattr("worker.webhooks.socket.getaddrinfo", lambda *_, **__: found)
    with pytest.raises(NotCalled):
        resolve(httpx.URL("http://two.example/"), private_allowed=False)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"]
)
def test_public_addresses_are_public(address):
    assert is_public(ip_address(address))
