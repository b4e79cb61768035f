"""Data sets are uploaded as npz files; hostile files are refused."""

import io
import pickle
import resource
import struct
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from lth.datasets import Uploaded
from lth.spec.document import parse_spec
from service.store.blobs.object_store import Blobs
from service.store.tables import StoredDataset
from tests.service.api.conftest import ADMIN, client, serving
from tests.service.api.test_submitting import pointers, problem

NPZ = {"Content-Type": "application/x-npz"}
rng = np.random.default_rng(0)


def npz(**arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def good(**other) -> dict:
    return {
        "x": rng.integers(0, 255, (50, 8, 8), np.uint8),
        "y": np.arange(50) % 5,
        **other,
    }


def zipped(members: dict[str, bytes], compression=zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def npy(array) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array), allow_pickle=False)
    return buffer.getvalue()


def header(descr="|u1", shape="(50, 8, 8)", fortran="False", length=None) -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", length or len(text)) + text


def upload(api, content: bytes, **query):
    return api.post("/v1/datasets", params={"name": "mine", **query}, content=content, headers=NPZ)


@pytest.fixture
def dataset(api) -> dict:
    response = upload(api, npz(**good()))
    assert response.status_code == 201, response.text
    assert api.get(response.headers["location"]).json() == response.json()
    return response.json()


class TestUse:
    def test_a_file_of_two_arrays_is_accepted_and_described(self, api, dataset, settings):
        assert dataset["shape"] == [8, 8, 1]
        assert (dataset["classes"], dataset["train"], dataset["test"]) == (5, 40, 10)
        assert api.get(f"/v1/datasets/{dataset['id']}").json() == dataset
        assert api.get("/v1/datasets").json()["datasets"] == [dataset]
        content = Blobs(settings.object_store_url).get(dataset["digest"])
        assert len(content) == dataset["size"]

    def test_a_file_of_four_arrays_keeps_its_split(self, api):
        x, y = rng.normal(size=(30, 7)).astype(np.float32), np.arange(30, dtype=np.uint8) % 3
        arrays = {"x_train": x[:20], "y_train": y[:20], "x_test": x[20:], "y_test": y[20:, None]}
        document = upload(api, npz(**arrays)).json()
        assert (document["shape"], document["classes"]) == ([7], 3)
        assert (document["train"], document["test"]) == (20, 10)

    def test_the_answer_describes_validation_samples_and_the_range_of_floats(self, api):
        x, y = np.linspace(-1, 3, 60, dtype=np.float64).reshape(30, 2), np.arange(30) % 3
        parts = {
            "x_train": x[:20],
            "y_train": y[:20],
            "x_validation": x[20:],
            "y_validation": y[20:],
        }
        document = upload(api, npz(**parts)).json()
        assert (document["train"], document["test"], document["validation"]) == (26, 4, 10)
        assert document["float_range"] == [-1, 3]
        assert document["remarks"] == []

    def test_images_with_the_channels_first_get_a_remark(self, api):
        document = upload(api, npz(**good(x=np.zeros((50, 3, 8, 9), np.uint8)))).json()
        (remark,) = document["remarks"]
        assert "samples of [3, 8, 9] look like images whose channels come first" in remark
        spec = {"kind": "model", "dataset": {"kind": "uploaded", "id": document["id"]}}
        spec["training"] = {"batch_size": 10}
        planned = {"params": {"validate_only": True}}
        assert api.post("/v1/jobs", json=spec, **planned).json()["remarks"] == []
        spec["network"] = "conv-2"
        assert api.post("/v1/jobs", json=spec, **planned).json()["remarks"] == [remark]

    def test_a_data_set_of_an_earlier_version_keeps_its_normalisation(self, api, database):
        x = np.linspace(0, 255, 60, dtype=np.float32).reshape(30, 2)
        document = upload(api, npz(x=x, y=np.arange(30) % 3)).json()
        spec = {"kind": "model", "dataset": {"kind": "uploaded", "id": document["id"]}}
        spec["training"] = {"batch_size": 10}
        refused = problem(api.post("/v1/jobs", json=spec), 422, "invalid")
        assert pointers(refused) == {"/dataset/normalisation"}
        with database.transaction() as session:
            stored = session.get(StoredDataset, document["id"])
            stored.facts = {"shape": [2], "classes": 3, "train": 24, "test": 6}
        assert api.post("/v1/jobs", json=spec).status_code == 202
        document = api.get(f"/v1/datasets/{document['id']}").json()
        assert (document["validation"], document["float_range"]) == (0, None)

    def test_a_spec_can_use_a_data_set_by_its_id(self, api, dataset, settings):
        spec = {
            "kind": "model",
            "dataset": {"kind": "uploaded", "id": dataset["id"]},
            "training": {"batch_size": 10},
        }
        response = api.post("/v1/jobs", json=spec)
        assert response.status_code == 202, response.text
        stored = parse_spec(response.json()["spec"])
        assert isinstance(stored.dataset, Uploaded)
        assert stored.dataset.validation == 4
        arrays = stored.dataset.read(
            io.BytesIO(Blobs(settings.object_store_url).get(stored.dataset.digest))
        )
        assert arrays.x_train.shape == (stored.dataset.facts.train, *stored.dataset.facts.shape)

    def test_the_same_content_with_the_same_name_is_the_same_data_set(self, api):
        content = npz(**good())
        first, again = upload(api, content), upload(api, content)
        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json() == again.json()
        assert first.headers["location"] == again.headers["location"]
        other_name, other_content = upload(api, content, name="other"), upload(api, npz(**good()))
        assert (other_name.status_code, other_content.status_code) == (201, 201)
        listed = api.get("/v1/datasets", params={"digest": first.json()["digest"]}).json()
        assert listed["datasets"] == [other_name.json(), first.json()]
        assert len(api.get("/v1/datasets").json()["datasets"]) == 3
        stored = api.get("/v1/owners").json()["owners"][0]["stored_bytes"]
        assert stored == sum(one["size"] for one in api.get("/v1/datasets").json()["datasets"])

    def test_equal_uploads_at_the_same_time_add_one_data_set(self, api):
        content = npz(**good())
        with ThreadPoolExecutor(6) as threads:
            answers = list(threads.map(lambda _: upload(api, content), range(6)))
        assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
        assert len({answer.json()["id"] for answer in answers}) == 1

    def test_a_wrong_digest_is_reported_together_with_other_errors(self, api, dataset):
        named = {"kind": "uploaded", "id": dataset["id"], "digest": "0" * 64}
        spec = {"kind": "model", "dataset": named, "training": {"batch_size": 0}}
        document = problem(api.post("/v1/jobs", json=spec), 422, "invalid")
        assert pointers(document) == {"/dataset/digest", "/training/batch_size"}

    def test_an_unknown_data_set_is_refused(self, api):
        for name in ["ds_" + "0" * 32, "x"]:
            spec = {"kind": "model", "dataset": {"kind": "uploaded", "id": name}}
            document = problem(api.post("/v1/jobs", json=spec), 422, "invalid")
            assert pointers(document) == {"/dataset/id"}

    def test_a_data_set_is_deleted_only_if_no_job_uses_it(self, api, dataset):
        spec = {
            "kind": "model",
            "dataset": {"kind": "uploaded", "id": dataset["id"]},
            "training": {"batch_size": 10},
        }
        job = api.post("/v1/jobs", json=spec).json()["id"]
        problem(api.delete(f"/v1/datasets/{dataset['id']}"), 409, "conflict")
        api.post(f"/v1/jobs/{job}/cancel")
        api.delete(f"/v1/jobs/{job}")
        assert api.delete(f"/v1/datasets/{dataset['id']}").status_code == 204
        problem(api.get(f"/v1/datasets/{dataset['id']}"), 404, "not-found")

    def test_another_owner_does_not_see_the_data_set(self, api, address, dataset):
        token = api.post("/v1/keys", json={"owner": "bob", "role": "member"}).json()["key"]
        with client(address, token) as bob:
            assert bob.get("/v1/datasets").json()["datasets"] == []
            problem(bob.get(f"/v1/datasets/{dataset['id']}"), 404, "not-found")
            problem(bob.delete(f"/v1/datasets/{dataset['id']}"), 404, "not-found")
            spec = {"kind": "model", "dataset": {"kind": "uploaded", "id": dataset["id"]}}
            document = problem(bob.post("/v1/jobs", json=spec), 422, "invalid")
            assert "/dataset/id" in pointers(document)


Y = npy(np.arange(50) % 5)
LARGE = np.zeros((3, 2_001, 2_000), np.uint8)
X = npy(rng.integers(0, 255, (50, 8, 8), np.uint8))


def with_objects() -> bytes:
    buffer = io.BytesIO()
    objects = np.array([{"a": 1}] * 50, dtype=object)
    np.savez(buffer, x=objects, y=np.arange(50), allow_pickle=True)
    return buffer.getvalue()


class Bomb:
    def __reduce__(self):
        return (open, ("/tmp/owned", "w"))


def four(**other) -> bytes:
    x, y = np.zeros((20, 3), np.uint8), np.arange(20) % 3
    return npz(**{"x_train": x, "y_train": y, "x_test": x, "y_test": y, **other})


def encrypted() -> bytes:
    content = bytearray(npz(**good()))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def many_members(number: int, called: int) -> bytes:
    """A small file whose directory has many entries for the same bytes."""
    local = b"PK\x03\x04" + bytes(22) + b"\5\0\0\0x.npy"
    entry = b"PK\x01\x02" + bytes(24) + struct.pack("<H", 1) + bytes(16) + b"x"
    directory = entry * number
    end = struct.pack(
        "<4s4H2IH", b"PK\x05\x06", 0, 0, called, called, len(directory), len(local), 0
    )
    return local + directory + end


def hidden_million() -> bytes:
    """A file with a zip64 locator that overrides its harmless end record."""
    plain = npz(**good())
    end = list(struct.unpack("<4s4H2IH", plain[-22:]))
    end[5] += 20
    return plain[:-22] + b"PK\x06\x07" + bytes(16) + struct.pack("<4s4H2IH", *end)


def damaged() -> bytes:
    content = bytearray(npz(**good()))
    content[300] ^= 0xFF
    return bytes(content)


HOSTILE = {
    "nothing": (b"", "the format of the file is unknown"),
    "text": (b"x,y\n" * 100, "no column 'label'"),
    "bare pickle": (pickle.dumps(Bomb()), "the format of the file is unknown"),
    "pickle as a member": (zipped({"x.npy": pickle.dumps(Bomb()), "y.npy": Y}), "no array"),
    "array of objects": (with_objects(), "Python objects, which are never read"),
    "objects by the header": (zipped({"x.npy": header("|O") + bytes(400), "y.npy": Y}), "Python"),
    "zip bomb": (
        zipped({"x.npy": bytes(3 * 10**8), "y.npy": Y}, zipfile.ZIP_DEFLATED),
        "200 times as many",
    ),
    "million members": (many_members(1_000_000, called=16_960), "at most 8"),
    "members, called two": (many_members(10_000, called=2), "directory of the file has 470000"),
    "the same twice": (npz(**good(z=np.arange(50))).replace(b"z.npy", b"y.npy"), "expected"),
    "without an ending": (zipped({"x": X, "y": Y}), "or the arrays of numpy.savez"),
    "a comment that is not there": (npz(**good())[:-2] + b"\5\0", "no npz file"),
    "encrypted": (encrypted(), "encrypted"),
    "compressed otherwise": (zipped({"x.npy": X, "y.npy": Y}, zipfile.ZIP_BZIP2), "NumPy does not"),
    "another magic": (zipped({"x.npy": X.replace(b"NUMPY", b"NUMPX"), "y.npy": Y}), "no array"),
    "another version": (zipped({"x.npy": X.replace(b"Y\1", b"Y\3"), "y.npy": Y}), "no array"),
    "more than it says": (zipped({"x.npy": X + b"x", "y.npy": Y}), "speaks of"),
    "tests of another shape": (four(x_test=np.zeros((20, 4), np.uint8)), "must be alike"),
    "tests of another kind": (four(x_test=np.zeros((20, 3), np.float32)), "must be alike"),
    "tests without labels": (four(y_test=np.arange(19)), "20 whole numbers"),
    "negative labels of tests": (four(y_test=np.arange(20) - 1), "labels from -1"),
    "not a number in tests": (
        four(x_train=np.zeros((20, 3), np.float32), x_test=np.full((20, 3), np.nan, np.float32)),
        "NaN or infinite",
    ),
    "a class too many": (npz(**good(y=np.arange(50) + 9_951)), "labels from"),
    "five dimensions": (npz(**good(x=np.zeros((50, 2, 2, 2, 2), np.uint8))), "shape"),
    "hidden members": (hidden_million(), "zip64"),
    "header too long": (zipped({"x.npy": header(length=65_000), "y.npy": Y}), "65000 bytes"),
    "header too short": (zipped({"x.npy": header(length=20) + bytes(3_200), "y.npy": Y}), "header"),
    "header beyond the file": (zipped({"x.npy": header(length=4_000), "y.npy": Y}), "header"),
    "wide header": (
        zipped({"x.npy": b"\x93NUMPY\x02\x00\xff\xff\xff\x7f{}", "y.npy": Y}),
        "2147483647 bytes",
    ),
    "code in the header": (
        zipped({"x.npy": header(shape="(__import__('os').getpid(),)"), "y.npy": Y}),
        "header",
    ),
    "deep header": (zipped({"x.npy": header(shape="(" * 4_000), "y.npy": Y}), "header"),
    "huge shape": (zipped({"x.npy": header(shape="(10**9, 10**9)"), "y.npy": Y}), "header"),
    "more than there is": (zipped({"x.npy": header(shape="(99999999, 9)"), "y.npy": Y}), "900000067"),  # noqa: E501
    "negative shape": (zipped({"x.npy": header(shape="(-1, 8)"), "y.npy": Y}), "header"),
    "a path": (zipped({"../../x.npy": X, "y.npy": Y}), "expected the arrays"),
    "an absolute path": (zipped({"/etc/passwd": X, "y.npy": Y}), "leads out of the zip"),
    "one too many": (npz(**good(z=np.zeros(3))), "expected the arrays"),
    "one missing": (npz(x=np.zeros((50, 3), np.uint8)), "expected the arrays"),
    "integers as samples": (npz(**good(x=np.zeros((50, 3), int))), "uint8, for pixels"),
    "text as samples": (npz(**good(x=np.array(["a"] * 50))), "uint8, for pixels"),
    "validation without labels": (four(x_validation=np.zeros((9, 3), np.uint8)), "expected the"),
    "large samples": (
        zipped({"x.npy": npy(LARGE), "y.npy": Y}, zipfile.ZIP_DEFLATED),
        "4000000 at most",
    ),
    "records": (npz(**good(x=np.zeros(50, "i4,f4"))), "plain numbers"),
    "labels that are floats": (npz(**good(y=np.zeros(50))), "50 whole numbers"),
    "labels that are too few": (npz(**good(y=np.arange(49))), "50 whole numbers"),
    "negative labels": (npz(**good(y=np.arange(50) - 1)), "labels from -1"),
    "huge labels": (npz(**good(y=np.full(50, 2**63, np.uint64))), "labels from"),
    "one class": (npz(**good(y=np.zeros(50, int))), "two classes"),
    "not a number": (npz(**good(x=np.full((50, 3), np.nan, np.float32))), "NaN or infinite"),
    "a number": (npz(**good(x=np.uint8(3))), "shape"),
    "empty samples": (npz(**good(x=np.zeros((50, 0), np.uint8))), "shape"),
    "too few": (npz(x=np.zeros((3, 3), np.uint8), y=np.arange(3)), "give 5 at least"),
    "damaged": (damaged(), "no sound npz file"),
    "cut off": (npz(**good())[:-1], "no npz file"),
    "something before it": (b"#!/bin/sh\n" + npz(**good()), "'x.npy' is no PNG or JPEG"),
}  # fmt: skip


def test_hostile_files_are_refused_quickly_with_little_memory_and_are_not_stored(api):
    api.get("/healthz")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name, (content, message) in HOSTILE.items():
        started = time.process_time()  # CPU time does not depend on other processes.
        response = upload(api, content)
        took = time.process_time() - started
        document = problem(response, 422, "invalid-dataset")
        assert message in document["detail"], name
        assert took < 1.5 + len(content) / 50e6, name
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 300_000, "kilobytes; most of it is used by copies in this test"
    assert api.get("/v1/datasets").json()["datasets"] == []


def test_a_file_or_array_over_the_limit_is_refused(settings):
    accepted, decoded = npz(**good()), len(X) + len(Y)
    most = {"max_upload_bytes": len(accepted), "max_dataset_bytes": decoded}
    with serving(settings.model_copy(update=most)) as address, client(address, ADMIN) as api:
        problem(upload(api, bytes(len(accepted) + 1)), 413, "body-too-large")
        pieces = (bytes(1_000) for _ in range(100))
        problem(upload(api, pieces), 413, "body-too-large")  # pyright: ignore[reportArgumentType]
        zeros = npy(np.zeros((50, 99, 99), np.uint8))
        larger = upload(api, zipped({"x.npy": zeros, "y.npy": Y}, zipfile.ZIP_DEFLATED))
        assert f"at most {decoded}" in problem(larger, 422, "invalid-dataset")["detail"]
        response = upload(api, accepted)
        assert response.status_code == 201, response.text


def test_another_media_type_or_a_missing_name_is_refused(api):
    content = npz(**good())
    problem(
        api.post("/v1/datasets?name=x", content=content, headers={"Content-Type": "text/html"}),
        415,
        "unsupported-media-type",
    )
    document = problem(api.post("/v1/datasets", content=content, headers=NPZ), 422, "invalid")
    assert document["errors"][0]["parameter"] == "name"
