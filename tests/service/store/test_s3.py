"""The same blobs through S3's dialect, as moto's server speaks it."""

from collections.abc import Iterator
from datetime import timedelta

import boto3
import httpx
import pytest
from moto.server import ThreadedMotoServer

from service.store.blobs import Blob, BlobMissing, Blobs, StorageFailed

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
    blob = s3.put(CONTENT)

    assert blob == Blob.of(CONTENT) == s3.put_stream(iter([CONTENT]))
    assert s3.get(blob.digest) == CONTENT
    assert s3.get_range(blob.digest, 10, 300) == CONTENT[10:300]
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
