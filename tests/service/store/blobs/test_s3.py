"""Blobs in S3, with moto's server."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

import boto3
import httpx
import pytest
from moto.server import ThreadedMotoServer

from service.store.blobs import bucket
from service.store.blobs.object_store import Blob, BlobMissing, Blobs, StorageFailed

CONTENT = bytes(range(256)) * 100_000
"""More than one part of a multipart upload."""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def options(endpoint: str) -> dict[str, str]:
    return {
        "endpoint": endpoint,
        "region": "us-east-1",
        "access_key_id": "test",
        "secret_access_key": "test",
    }


@pytest.fixture(scope="module")
def s3(endpoint: str) -> Blobs:
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    client.create_bucket(Bucket="blobs")
    return Blobs("s3://blobs/lth", options(endpoint))


def test_blobs_are_read_whole_in_parts_and_by_presigned_url(s3: Blobs) -> None:
    blob = Blob.of_file(BytesIO(CONTENT))
    s3.put_file(blob, BytesIO(CONTENT))

    assert blob == Blob.of(CONTENT) == s3.put(CONTENT)
    assert s3.get(blob.digest) == CONTENT
    assert b"".join(s3.part(blob.digest, 10, 300)) == CONTENT[10:300]
    assert b"".join(s3.stream(blob.digest)) == CONTENT
    assert s3.can_presign
    answer = httpx.get(s3.presign(blob.digest, timedelta(minutes=1)))
    assert answer.content == CONTENT


@pytest.mark.parametrize("name", ["HTTP_PROXY", "ALL_PROXY"])
def test_a_store_on_this_machine_is_reached_without_a_proxy(
    s3: Blobs, endpoint: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    blobs = Blobs("s3://blobs/lth", options(endpoint))
    assert blobs.get(blobs.put(b"near").digest) == b"near"


def test_a_deleted_blob_is_missing(s3: Blobs) -> None:
    blob = s3.put(b"short-lived")
    s3.delete(blob.digest)
    s3.delete(blob.digest)

    assert s3.size(blob.digest) is None
    with pytest.raises(BlobMissing):
        s3.get(blob.digest)


def test_a_missing_bucket_is_a_storage_failure(endpoint: str) -> None:
    with pytest.raises(StorageFailed):
        Blobs("s3://nowhere", options(endpoint)).put(b"x")


@contextmanager
def served_by(handler: type[BaseHTTPRequestHandler]) -> Iterator[Blobs]:
    """Blobs in an object store that uses a given request handler."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Blobs("s3://lth", options(f"http://127.0.0.1:{server.server_port}"))
    server.shutdown()
    server.server_close()


@contextmanager
def sending_slowly(pauses: list[float]) -> Iterator[Blobs]:
    """Blobs in an object store that sends one byte after each pause."""

    class Slow(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            for name, value in (
                ("Content-Length", str(len(pauses))),
                ("ETag", '"x"'),
                ("Last-Modified", "Sun, 22 Nov 2026 19:00:00 GMT"),
            ):
                self.send_header(name, value)
            self.end_headers()
            for pause in pauses:
                time.sleep(pause)
                self.wfile.write(b"x")

        def log_message(self, *_: object) -> None: ...

    with served_by(Slow) as slow:
        yield slow


def test_a_ping_fails_if_the_object_store_refuses_requests() -> None:
    class Refusing(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_error(403)

        def log_message(self, *_: object) -> None: ...

    with served_by(Refusing) as refusing, pytest.raises(StorageFailed):
        refusing.ping()


def test_a_slow_transfer_succeeds_and_a_stalled_one_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket, "_SILENCE", timedelta(seconds=1.5))
    with sending_slowly(35 * [0.05]) as slow:
        assert slow.get(Blob.of(35 * b"x").digest) == 35 * b"x"
    with sending_slowly([0, 3]) as stopping, pytest.raises(StorageFailed):
        stopping.get(Blob.of(b"xx").digest)
