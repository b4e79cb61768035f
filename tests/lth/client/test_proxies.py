"""Requests to this machine never use a proxy, and a wrong proxy is named."""

import os
import socket

import httpx
import pytest

from lth.client.errors import NotTheService, Unreachable
from lth.client.proxies import Proxy, is_loopback, proxy_for
from tests.lth.client.scripted import Answer, document, scripted
from tests.lth.client.test_clients import JOB, Use, use

__all__ = ["use"]

DEAD = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"])
@pytest.mark.parametrize("address", [DEAD, "http://proxy:port", "socks5://127.0.0.1:9", "ftp://x"])
def test_a_server_on_this_machine_is_reached_without_a_proxy(
    use: Use, monkeypatch: pytest.MonkeyPatch, name: str, address: str
) -> None:
    monkeypatch.setenv(name, address)
    with scripted(document(JOB)) as script:
        assert use(script.server, lambda client: client.job("job_1")).id == "job_1"


@pytest.mark.parametrize("entry", ["fe80::/10", "[::1]", "::1/128", "http://[x"])
def test_any_value_of_no_proxy_is_accepted(
    use: Use, monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    monkeypatch.setenv("NO_PROXY", entry)
    with scripted(document(JOB)) as script:
        assert use(script.server, lambda client: client.job("job_1")).id == "job_1"


def test_another_server_is_reached_through_the_proxy(
    use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scripted(document(JOB)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.server)
        assert use("http://lth.example", lambda client: client.job("job_1")).id == "job_1"
    (seen,) = proxy.seen
    assert seen.path == "http://lth.example/v1/jobs/job_1"


def test_a_redirect_to_this_machine_uses_no_proxy(
    use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scripted(document(JOB)) as script:
        away = Answer(302, b"", {"Location": f"{script.server}/elsewhere"})
        with scripted(away) as proxy:
            monkeypatch.setenv("HTTP_PROXY", proxy.server)
            assert use("http://lth.example", lambda client: client.job("job_1")).id == "job_1"
    assert [seen.path for seen in script.seen] == ["/elsewhere"]
    assert len(proxy.seen) == 1


@pytest.mark.parametrize(
    ("name", "server"),
    [
        ("HTTP_PROXY", "http://lth.example"),
        ("https_proxy", "https://lth.example"),
        ("ALL_PROXY", "https://lth.example"),
    ],
)
def test_a_proxy_that_does_not_answer_is_named(
    use: Use, monkeypatch: pytest.MonkeyPatch, name: str, server: str
) -> None:
    monkeypatch.setenv(name, "http://ada:hidden-word@127.0.0.1:9")
    said = rf"no answer from {server} through the proxy http://\*\*\*@127\.0\.0\.1:9 of {name}: "
    with pytest.raises(Unreachable, match=said) as raised:
        use(server, lambda client: client.job("job_1"))
    assert f"Check {name}, or exclude lth.example with NO_PROXY" in str(raised.value)
    assert "hidden-word" not in str(raised.value)


@pytest.mark.parametrize(
    "address",
    [
        "http://proxy:port",
        "proxy:port",
        "http://[::1",
        "http://",
        "http://:3128",
        "http://proxy:99999",
        "http://proxy:3128\n",
        "ftp://proxy:3128",
        "socks4://proxy:1080",
        "http://ada:hidden/word@proxy:3128",
    ],
)
def test_a_value_that_is_no_address_of_a_proxy_is_refused_at_once(
    use: Use, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", address)
    with pytest.raises(Unreachable, match=r"HTTPS_PROXY is '.*'.*expected http://HOST:PORT") as it:
        use("https://lth.example", lambda client: client.job("job_1"))
    assert "hidden" not in str(it.value)


def test_a_socks_proxy_without_its_package_is_refused(
    use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lth.client.connecting.find_spec", lambda name: None)
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    with pytest.raises(Unreachable, match=r"ALL_PROXY is .*pip install 'httpx\[socks\]'"):
        use("https://lth.example", lambda client: client.job("job_1"))


@pytest.mark.parametrize("status", [403, 407, 502])
def test_a_refusal_of_a_proxy_names_it(
    use: Use, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    with scripted(Answer(status, b"<html>proxy</html>")) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.server)
        said = rf"answered {status} through the proxy {proxy.server} of HTTP_PROXY"
        with pytest.raises(NotTheService, match=said):
            use("http://lth.example", lambda client: client.job("job_1"))


def test_a_proxy_that_refuses_a_tunnel_is_named(use: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(Answer(403)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.server)
        with pytest.raises(Unreachable, match=rf"through the proxy {proxy.server} of HTTPS_PROXY"):
            use("https://lth.example", lambda client: client.job("job_1"))


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST.",
        "lth.localhost",
        "127.0.0.1",
        "127.8.9.10",
        "127.1",
        "2130706433",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
    ],
)
def test_every_notation_of_this_machine_is_recognized(host: str) -> None:
    assert is_loopback(httpx.URL(f"http://{host}:8000").host)


@pytest.mark.parametrize(
    "host", ["lth.example", "localhost.example", "10.0.0.1", "128.0.0.1", "[::2]", "1"]
)
def test_other_hosts_are_not_this_machine(host: str) -> None:
    assert not is_loopback(httpx.URL(f"http://{host}:8000").host)


@pytest.mark.parametrize(
    ("no_proxy", "server", "excluded"),
    [
        ("*", "http://lth.example", True),
        ("other, *", "http://lth.example", True),
        ("lth.example", "http://lth.example", True),
        ("LTH.Example", "http://lth.example", True),
        ("example", "http://lth.example", True),
        (".example", "http://lth.example", True),
        ("*.example", "http://lth.example", True),
        ("example", "http://lthexample", False),
        ("other.example,lth.example", "http://lth.example", True),
        ("other.example lth.example", "http://lth.example", True),
        ("lth.example:8000", "http://lth.example:8000", True),
        ("lth.example:80", "http://lth.example", True),
        ("lth.example:8000", "http://lth.example:9000", False),
        ("https://lth.example", "http://lth.example", False),
        ("http://lth.example", "http://lth.example", True),
        ("10.1.2.3", "http://10.1.2.3:8000", True),
        ("10.0.0.0/8", "http://10.1.2.3:8000", True),
        ("10.0.0.0/8", "http://11.1.2.3:8000", False),
        ("fd00::/8", "http://[fd00::1]:8000", True),
        ("[fd00::1]", "http://[fd00::1]:8000", True),
        ("", "http://lth.example", False),
        (",,", "http://lth.example", False),
    ],
)
def test_no_proxy_excludes_hosts(
    monkeypatch: pytest.MonkeyPatch, no_proxy: str, server: str, excluded: bool
) -> None:
    monkeypatch.setenv("HTTP_PROXY", DEAD)
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert (proxy_for(httpx.URL(server)) is None) == excluded


def test_small_letters_win_and_an_empty_value_means_no_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = httpx.URL("http://lth.example")
    monkeypatch.setenv("ALL_PROXY", "http://all:1")
    assert proxy_for(url) == Proxy("ALL_PROXY", "http://all:1")
    monkeypatch.setenv("HTTP_PROXY", "http://large:1")
    assert proxy_for(url) == Proxy("HTTP_PROXY", "http://large:1")
    monkeypatch.setenv("http_proxy", "http://small:1")
    assert proxy_for(url) == Proxy("http_proxy", "http://small:1")
    monkeypatch.delenv("ALL_PROXY")
    monkeypatch.setenv("http_proxy", "")
    assert proxy_for(url) is None


@pytest.mark.parametrize(
    "server", ["http://host:port", "http:///path", "http://[::1", "http://h:99999"]
)
def test_a_malformed_address_of_a_server_is_refused_at_once(use: Use, server: str) -> None:
    with pytest.raises(Unreachable, match=r"is not an address of a service; expected http://HOST"):
        use(server, lambda client: client.job("job_1"))


def test_tests_of_proxies_have_a_dead_one() -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", 9), timeout=1)
