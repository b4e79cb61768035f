"""With S3, fetches redirect to the object store, unless the service is a proxy."""

from collections.abc import Iterator

import boto3
import httpx
import pytest
from moto.server import ThreadedMotoServer
from pydantic import SecretStr

from service.settings import Settings
from service.store.blobs.object_store import Blobs
from tests.service.api.conftest import ADMIN, client, serving
from tests.service.api.test_artifacts import CONTENT, DIGEST, job_with_files

KEYS = {"access_key_id": "test", "secret_access_key": "test", "region": "us-east-1"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    s3 = boto3.client(
        "s3",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    s3.create_bucket(Bucket="blobs")
    yield address
    server.stop()


@pytest.mark.parametrize("proxied", [False, True])
def test_fetches_redirect_to_s3_unless_the_service_is_a_proxy(
    endpoint, database, database_url, broker_url, proxied
):
    settings = Settings(
        database_url=database_url,
        broker_url=broker_url,
        object_store_url="s3://blobs/lth",
        object_store_options={"endpoint": endpoint, **KEYS},
        admin_key=SecretStr(ADMIN),
        proxy_artifacts=proxied,
    )
    with serving(settings) as address, client(address, ADMIN) as api:
        blobs = Blobs(settings.object_store_url, settings.object_store_options)
        job = job_with_files(api, database, blobs)
        path = f"/v1/jobs/{job}/artifacts/trial-1/a/masks.npz"
        response = api.get(path)
        if proxied:
            assert response.status_code == 200
        else:
            assert response.status_code == 307
            location = response.headers["location"]
            assert location.startswith(endpoint)
            assert ADMIN not in location
            response = httpx.get(location)
        assert response.content == CONTENT
        known = api.get(path, headers={"If-None-Match": f'"{DIGEST}"'})
        assert known.status_code == 304
