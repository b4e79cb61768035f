"""Wrong variables with certificates are named, and are read only if a server needs TLS."""

import datetime
import ssl
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lth.client.errors import Unreachable
from tests.lth.client.scripted import Script, document, scripted
from tests.lth.client.test_clients import JOB, Use, use

__all__ = ["use"]

VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that it has signed itself; its key is beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lth")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    file = tmp_path / "certificate.pem"
    file.write_bytes(made.public_bytes(pem))
    file.with_suffix(".key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return file


@pytest.fixture
def secure(certificate: Path) -> Iterator[Script]:
    """A server with TLS."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, certificate.with_suffix(".key"))
    with scripted(document(JOB), tls=tls) as script:
        yield script


def _job(use: Use, script: Script) -> str:
    return use(script.server, lambda client: client.job("job_1")).id


def test_the_certificates_of_a_file_are_trusted(
    use: Use, secure: Script, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert _job(use, secure) == "job_1"


def test_an_untrusted_certificate_is_refused_with_the_variable(
    use: Use, secure: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Unreachable, match=r"VERIFY_FAILED.*certifi; name a file .* SSL_CERT_FILE"):
        _job(use, secure)
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    with pytest.raises(Unreachable, match=rf"VERIFY_FAILED.*those of SSL_CERT_DIR={tmp_path}"):
        _job(use, secure)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("SSL_CERT_FILE", "missing", "No such file"),
        ("SSL_CERT_FILE", ".", "directory"),
        ("SSL_CERT_FILE", "text", "(?i)no certificate or crl found"),
        ("SSL_CERT_FILE", "empty", "(?i)no certificate or crl found"),
        ("SSL_CERT_DIR", "missing", "no such directory"),
        ("SSL_CERT_DIR", "text", "no such directory"),
        ("SSLKEYLOGFILE", "missing/keys", "No such file"),
    ],
)
def test_a_wrong_variable_is_named(
    use: Use,
    secure: Script,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
    reason: str,
) -> None:
    (tmp_path / "text").write_text("no certificate")
    (tmp_path / "empty").touch()
    monkeypatch.setenv(name, str(tmp_path / value))
    with pytest.raises(Unreachable, match=reason) as raised:
        _job(use, secure)
    assert str(raised.value).startswith(f"{name} is '{tmp_path / value}'")
    assert not secure.seen


@pytest.mark.parametrize("name", VARIABLES)
def test_a_server_without_tls_needs_no_certificates(
    use: Use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, str(tmp_path / "missing" / "file"))
    with scripted(document(JOB)) as script:
        assert _job(use, script) == "job_1"
