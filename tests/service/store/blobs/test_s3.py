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


def test_blobs_come_back_whole_in_parts_and_by_address(s3: Blobs) -> None:
    blob = Blob.of_file(BytesIO(CONTENT))
    s3.put_file(blob, BytesIO(CONTENT))

    assert blob == Blob.of(CONTENT) == s3.put(CONTENT)
    assert s3.get(blob.digest) == CONTENT
    assert b"".join(s3.part(blob.digest, 10, 300)) == CONTENT[10:300]
    assert b"".join(s3.stream(blob.digest)) == CONTENT
    assert s3.can_presign
    answer = httpx.get(s3.presign(blob.digest, timedelta(minutes=1)))
    assert answer.content == CONTENT


def test_blob_is_gone_after_its_deletion(s3: Blobs) -> None:
    blob = s3.put(b"short-lived")
    s3.delete(blob.digest)
    s3.delete(blob.digest)

    assert s3.size(blob.digest) is None
    with pytest.raises(BlobMissing):
        s3.get(blob.digest)


def test_missing_bucket_is_a_failure_of_the_storage(endpoint: str) -> None:
    with pytest.raises(StorageFailed):
        Blobs("s3://nowhere", options(endpoint)).put(b"x")


@contextmanager
def at(handler: type[BaseHTTPRequestHandler]) -> Iterator[Blobs]:
    """Blobs of an object store that answers as this handler does."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Blobs("s3://lth", options(f"http://127.0.0.1:{server.server_port}"))
    server.shutdown()
    server.server_close()


@contextmanager
def sends(pauses: list[float]) -> Iterator[Blobs]:
    """Blobs of an object store that sends an x after each of these pauses."""

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

    with at(Slow) as slow:
        yield slow


def test_a_storage_that_refuses_gives_no_sign_of_life() -> None:
    class Refusing(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_error(403)

        def log_message(self, *_: object) -> None: ...

    with at(Refusing) as refusing, pytest.raises(StorageFailed):
        refusing.ping()


def test_a_blob_may_come_slowly_but_not_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket, "_SILENCE", timedelta(seconds=1.5))
    with sends(35 * [0.05]) as slow:
        assert slow.get(Blob.of(35 * b"x").digest) == 35 * b"x"
    with sends([0, 3]) as stopping, pytest.raises(StorageFailed):
        stopping.get(Blob.of(b"xx").digest)
