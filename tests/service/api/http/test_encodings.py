"""Bodies with a content encoding are refused, because no endpoint decodes them."""

import gzip
import json

import httpx
import pytest

from tests.service.api.test_datasets import good, npz
from tests.service.api.test_submitting import SPEC, problem

JSON = "application/json"
VALUES = {
    "/v1/owners/{name}/quota": {"weight": 2},
    "/v1/keys": {"owner": "bob", "role": "member"},
    "/v1/teams/{team}": {"weight": 2},
    "/v1/jobs/{job_id}": {"team": None},
    "/v1/datasets/{dataset_id}": {"team": None},
}


def operations(api: httpx.Client) -> list[tuple[str, str, dict[str, str], bytes]]:
    """All operations with a body: method, path, headers and a valid body."""
    found = []
    uploaded = api.post(
        "/v1/datasets?name=first",
        content=npz(**good()),
        headers={"Content-Type": "application/x-npz"},
    )
    names = {
        "{name}": "bob",
        "{team}": "vision",
        "{job_id}": api.post("/v1/jobs", json=SPEC).json()["id"],
        "{dataset_id}": uploaded.json()["id"],
    }
    for path, methods in api.get("/openapi.json").json()["paths"].items():
        for method, operation in methods.items():
            if "requestBody" in operation:
                media_type = next(iter(operation["requestBody"]["content"]))
                is_json = media_type == JSON
                body = json.dumps(VALUES.get(path, SPEC)).encode() if is_json else npz(**good())
                target = path if is_json else f"{path}?name=mine"
                for name, value in names.items():
                    target = target.replace(name, value)
                found.append((method.upper(), target, {"Content-Type": media_type}, body))
    assert len(found) >= 4
    return found


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip", "deflate", "br", "zstd", "what"])
def test_every_endpoint_refuses_an_encoded_body(api, encoding):
    for method, path, headers, body in operations(api):
        encoded = {**headers, "Content-Encoding": encoding}
        response = api.request(method, path, content=gzip.compress(body), headers=encoded)
        document = problem(response, 415, "unsupported-media-type")
        assert f"the content encoding is '{encoding}'; send the body as it is" in document["detail"]
        assert response.headers["accept-encoding"] == "identity"


def test_several_encodings_are_refused(api):
    headers = [("Content-Encoding", "identity"), ("Content-Encoding", "gzip, br")]
    response = api.post("/v1/jobs", content=b"{}", headers=[*headers, ("Content-Type", JSON)])
    assert "'identity, gzip, br'" in problem(response, 415, "unsupported-media-type")["detail"]


@pytest.mark.parametrize("encoding", ["", "identity", "Identity, identity"])
def test_every_endpoint_accepts_the_identity_encoding(api, encoding):
    for method, path, headers, body in operations(api):
        plain = {**headers, "Content-Encoding": encoding}
        response = api.request(method, path, content=body, headers=plain)
        assert response.is_success, (path, response.text)


def test_a_large_encoded_upload_gets_the_response_before_its_end(api):
    headers = {"Content-Type": "application/x-npz", "Content-Encoding": "gzip"}
    pieces = (bytes(1 << 20) for _ in range(30))
    response = api.post("/v1/datasets?name=mine", content=pieces, headers=headers)
    problem(response, 415, "unsupported-media-type")
