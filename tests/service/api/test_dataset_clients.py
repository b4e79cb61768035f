"""Data sets through the clients and the command line, against the real API."""

import asyncio
import io
import json

import numpy as np
import pytest

from lth import ArrayDataset
from lth.cli import main as entry
from lth.client import AsyncClient, Client
from lth.client.errors import Invalid, NotFound
from lth.core.errors import SpecError
from lth.datasets import Uploaded
from lth.spec.document import parse_spec
from service.store.blobs.object_store import Blobs
from tests.service.api.conftest import ADMIN
from tests.service.api.test_dataset_formats import csv, flat, zipped

rng = np.random.default_rng(0)
X, Y = rng.random((60, 4)), np.arange(60) % 3
SPEC = {"kind": "model", "training": {"batch_size": 10, "duration": "1ep"}}


@pytest.fixture
def client(address):
    with Client(address, ADMIN) as client:
        yield client


@pytest.fixture
def lth(address, monkeypatch, capsys):
    """Runs a command; returns its exit code, its output and its messages."""

    def run(*words: object) -> tuple[int, str, str]:
        said = ["lth", "--server", address, "--key", ADMIN, *map(str, words)]
        monkeypatch.setattr("sys.argv", said)
        with pytest.raises(SystemExit) as ended:
            entry.main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


def stored_arrays(settings, spec: dict):
    data = parse_spec(spec).dataset
    assert isinstance(data, Uploaded)
    content = Blobs(settings.object_store_url).get(data.digest)
    return data, data.read(io.BytesIO(content))


class TestClient:
    def test_files_and_contents_of_all_formats_are_uploaded(self, client, tmp_path):
        file = tmp_path / "pets.zip"
        file.write_bytes(zipped(flat()))
        pets = client.upload_dataset(file)
        assert (pets.name, pets.format, pets.class_names) == ("pets", "images", ("cat", "dog"))
        assert client.upload_dataset(str(file)) == pets
        table = client.upload_dataset(csv(label="target"), name="table", label_column="target")
        assert (table.format, table.dtype, table.shape) == ("csv", "float32", (2,))
        assert [one.id for one in client.datasets()] == [table.id, pets.id]
        assert client.dataset(pets.id) == pets
        client.delete_dataset(pets.id)
        with pytest.raises(NotFound):
            client.dataset(pets.id)

    def test_a_wrong_file_is_an_error_that_says_why(self, client):
        with pytest.raises(Invalid, match="no column 'label'; the columns are a, b, target"):
            client.upload_dataset(csv(label="target"))

    def test_named_data_sets_are_listed(self, client):
        found = {one.kind: one for one in client.named_datasets()}
        assert found["digits"].available
        assert found["mnist"].shape == (28, 28, 1)

    def test_arrays_are_uploaded_once(self, client):
        first = client.from_arrays(X, Y, X[:9], Y[:9], X[9:20], Y[9:20])
        assert (first.train, first.test, first.validation) == (71, 9, 11)
        assert client.from_arrays(X, Y, X[:9], Y[:9], X[9:20], Y[9:20], name="again") == first
        assert client.from_arrays(X + 1, Y).id != first.id
        with pytest.raises(SpecError, match="y_train"):
            client.from_arrays(X, Y[:9])
        assert len(list(client.datasets())) == 2

    @pytest.mark.parametrize(
        "arrays",
        [
            ArrayDataset(X, Y, validation=7, normalisation="standard"),
            ArrayDataset(X, Y, X[:9], Y[:9], X[9:20], Y[9:20]),
        ],
    )
    def test_arrays_in_a_spec_are_uploaded_and_give_the_same_data_set(
        self, client, settings, arrays
    ):
        jobs = [client.submit({**SPEC, "dataset": arrays, "seed": seed}) for seed in (1, 2)]
        assert len(list(client.datasets())) == 1
        for job in jobs:
            data, loaded = stored_arrays(settings, job.spec)
            assert loaded.digest == arrays.load().digest
            assert (data.validation, data.normalisation) == (
                arrays.validation,
                arrays.normalisation,
            )

    def test_the_asynchronous_client_does_the_same(self, address, client):
        async def upload() -> tuple[str, str, list[str]]:
            async with AsyncClient(address, ADMIN) as client:
                table = await client.upload_dataset(csv())
                arrays = await client.from_arrays(X, Y)
                return table.id, arrays.id, [one.id async for one in client.datasets()]

        table, arrays, listed = asyncio.run(upload())
        assert listed == [arrays, table]
        assert client.from_arrays(X, Y).id == arrays


class TestCommands:
    def test_a_data_set_is_uploaded_listed_shown_and_deleted(self, lth, tmp_path):
        file = tmp_path / "flowers.csv"
        file.write_bytes(csv(label="species"))
        code, out, err = lth("datasets", "upload", file, "--label-column", "species")
        assert code == 0
        assert "4 of 20 samples are set aside for testing" in err
        dataset_id = out.strip()
        code, out, _ = lth("datasets", "list", "--json")
        listed = json.loads(out)
        assert [one["kind"] for one in listed["named"]][:2] == ["digits", "mnist"]
        assert [one["id"] for one in listed["datasets"]] == [dataset_id]
        for name in (dataset_id, "flowers", dataset_id[:-2]):
            shown = json.loads(lth("datasets", "show", name, "--json")[1])
            assert shown["class_names"] == ["no", "yes"]
        _, out, err = lth("datasets", "show", "flowers")
        assert "no, yes" in out
        assert "set aside" in err
        code, _, err = lth("datasets", "delete", "flowers")
        assert (code, f"deleted {dataset_id}" in err) == (0, True)

    def test_named_data_sets_are_shown_but_not_deleted(self, lth):
        code, out, _ = lth("datasets", "list")
        assert code == 0
        assert "28 x 28 x 1" in out
        assert "unknown: no worker has reported" in out
        assert "70,000 handwritten digits" in lth("datasets", "show", "mnist")[1]
        code, _, err = lth("datasets", "delete", "mnist")
        assert (code, "'mnist' is not an uploaded data set" in err) == (2, True)

    def test_an_unknown_or_ambiguous_name_is_refused(self, lth, client):
        code, _, err = lth("datasets", "show", "nothing")
        assert (code, "there is no data set 'nothing'" in err) == (2, True)
        client.from_arrays(X, Y, name="mine")
        client.upload_dataset(csv(), name="mine")
        code, _, err = lth("datasets", "show", "mine")
        assert (code, "2 data sets match 'mine'" in err) == (2, True)
        assert lth("datasets", "show", "ds_" + "0" * 32)[0] == 4
