"""Finds data sets, with real files and the real Keras."""

import gzip
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lth.core.errors import DatasetMissing, SpecError
from lth.datasets import Digits, Mnist, file_of, present

MNIST = Mnist(kind="mnist")
REAL_MNIST = Path(os.environ.get("LTH_DATASETS_DIR", "no folder named by LTH_DATASETS_DIR"))


@pytest.fixture(autouse=True)
def keras_home(monkeypatch, tmp_path):
    """An empty folder instead of the Keras folder of the user."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path / "keras"


@pytest.fixture
def without_keras(monkeypatch):
    """Hide Keras, as in an installation without it."""
    monkeypatch.setitem(sys.modules, "keras", None)


@pytest.fixture
def arrays():
    labels = np.arange(60_000) % 10
    return {
        "x_train": np.zeros((60_000, 28, 28), np.uint8),
        "y_train": labels.astype(np.uint8),
        "x_test": np.zeros((10_000, 28, 28), np.uint8),
        "y_test": labels[:10_000].astype(np.uint8),
    }


def write(folder, arrays, name="mnist"):
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / f"{name}.npz", **arrays)


def test_the_given_directory_is_searched_first(tmp_path, keras_home, arrays):
    write(keras_home / "datasets", arrays)
    write(tmp_path / "mine", {**arrays, "x_test": arrays["x_test"] + np.uint8(7)})
    loaded = MNIST.load(tmp_path / "mine")
    assert loaded.x_test[0, 0, 0, 0] == 7


def test_the_cache_of_keras_is_searched_next(tmp_path, keras_home, arrays):
    write(keras_home / "datasets", arrays)
    for directory in (None, tmp_path / "empty"):
        assert MNIST.load(directory).x_train.shape == (60_000, 28, 28, 1)


def test_images_get_a_channel_and_labels_are_flat(tmp_path, arrays):
    write(tmp_path, {**arrays, "y_train": arrays["y_train"][:, None]})
    loaded = MNIST.load(tmp_path)
    assert loaded.x_test.shape == (10_000, 28, 28, 1)
    assert loaded.x_train.dtype == np.uint8
    assert loaded.y_train.shape == (60_000,)
    assert loaded.y_train.dtype == loaded.y_test.dtype == np.int32
    assert loaded.scale == 255


def test_the_error_for_a_missing_data_set_names_the_setting_and_the_folders(
    tmp_path, keras_home, without_keras
):
    with pytest.raises(DatasetMissing) as raised:
        MNIST.load(tmp_path)
    for part in (
        "'mnist'",
        f"no mnist.npz in {tmp_path}, nor in {keras_home / 'datasets'}",
        "Keras is not installed here",
        "put mnist.npz, with the arrays x_train, y_train, x_test, y_test",
        "LTH_DATASETS_DIR",
    ):
        assert part in str(raised.value)


def test_the_error_for_a_missing_data_set_reports_an_unset_setting(without_keras):
    with pytest.raises(DatasetMissing, match="LTH_DATASETS_DIR is not set"):
        MNIST.load(None)


def test_an_incomplete_file_in_the_cache_is_not_read(keras_home, without_keras):
    (keras_home / "datasets").mkdir(parents=True)
    (keras_home / "datasets" / "mnist.npz").write_bytes(b"PK\3\4 only the beginning")
    with pytest.raises(DatasetMissing):
        MNIST.load(None)


@pytest.mark.timeout(300)  # Importing TensorFlow takes long on a busy machine.
def test_keras_reads_its_cache_and_a_failed_download_is_reported(keras_home):
    """Keras stores Fashion-MNIST as four compressed files; a separate process reads them."""
    pytest.importorskip("keras")
    folder = keras_home / "datasets" / "fashion-mnist"
    folder.mkdir(parents=True)
    for name, samples in (("train", 60_000), ("t10k", 10_000)):
        labels = (np.arange(samples) % 10).astype(np.uint8)
        with gzip.open(folder / f"{name}-labels-idx1-ubyte.gz", "wb", 1) as file:
            file.write(b"\0" * 8 + labels.tobytes())
        with gzip.open(folder / f"{name}-images-idx3-ubyte.gz", "wb", 1) as file:
            file.write(b"\0" * 16 + bytes(samples * 28 * 28))
    done = subprocess.run(
        [sys.executable, "-c", _WITH_KERAS],
        env={**os.environ, "https_proxy": "http://127.0.0.1:9", "no_proxy": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    read, missing = done.stdout.splitlines()[-2:]
    assert read == "(60000, 28, 28, 1) [0, 1, 2]"
    assert "Keras cannot download it (URL fetch failure" in missing


_WITH_KERAS = """
from lth.datasets import FashionMnist, Mnist
from lth.core.errors import DatasetMissing

arrays = FashionMnist(kind="fashion_mnist").load(None)
try:
    Mnist(kind="mnist").load(None)
except DatasetMissing as error:
    missing = error
print(arrays.x_train.shape, arrays.y_test.tolist()[:3])
print(missing)
"""


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"x_train": np.zeros((10, 28, 28), np.uint8)}, r"x_train.*uint8 \[10, 28, 28\]; expected"),
        ({"x_test": np.zeros((10_000, 28, 28), np.float32)}, r"x_test of 'mnist' is float32"),
        ({"y_test": np.full(10_000, 10)}, r"labels from 10 to 10; expected 0 to at most 9"),
        ({"y_test": np.full(10_000, 2**32)}, r"labels from 4294967296 to 4294967296"),
        ({"y_test": np.full(10_000, 2**64 - 1, np.uint64)}, r"labels from 18446744073709551615"),
        ({"y_train": np.zeros(60_000)}, r"y_train of 'mnist' is float64"),
    ],
)
def test_a_file_that_is_not_the_data_set_is_refused(tmp_path, arrays, change, complaint):
    write(tmp_path, {**arrays, **change})
    with pytest.raises(SpecError, match=complaint):
        MNIST.load(tmp_path)


def test_a_file_without_an_array_is_refused(tmp_path, arrays):
    del arrays["y_test"]
    write(tmp_path, arrays)
    with pytest.raises(SpecError, match="lacks an array: y_test"):
        MNIST.load(tmp_path)


def test_a_broken_file_is_refused_with_its_path(tmp_path):
    (tmp_path / "mnist.npz").write_bytes(b"not a zip file")
    with pytest.raises(SpecError, match=r"mnist\.npz is not a readable npz file"):
        MNIST.load(tmp_path)


def test_a_file_that_may_not_be_read_is_refused_with_its_path():
    done = subprocess.run(
        [sys.executable, "-c", _CLOSED], capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert line.endswith("mnist.npz cannot be read: Permission denied")


_CLOSED = """
import os
import tempfile
from pathlib import Path
from lth.core.errors import SpecError
from lth.datasets import Mnist

user = os.geteuid()
with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    file = folder / "mnist.npz"
    file.touch(0)
    for mode in (0o755, 0):
        folder.chmod(mode)
        os.seteuid(user or 65534)  # Root may read everything.
        try:
            Mnist(kind="mnist").load(folder)
        except SpecError as error:
            print(error)
        os.seteuid(user)
    folder.chmod(0o755)
"""


def test_the_data_sets_that_need_no_download_are_listed(tmp_path, keras_home):
    assert present(None) == present(tmp_path) == []
    (tmp_path / "mnist.npz").write_bytes(b"")
    (keras_home / "datasets" / "cifar-10-batches-py-target").mkdir(parents=True)
    assert present(tmp_path) == ["mnist", "cifar10"]
    assert present(None) == ["cifar10"]
    fashion = keras_home / "datasets" / "fashion-mnist"
    fashion.mkdir()
    (fashion / "train-labels-idx1-ubyte.gz").write_bytes(b"")
    assert present(None) == ["cifar10"], "the download is not complete"
    (fashion / "t10k-images-idx3-ubyte.gz").write_bytes(b"")
    (keras_home / "datasets" / "cifar100.npz").write_bytes(b"")
    assert present(None) == ["fashion_mnist", "cifar10", "cifar100"]
    assert [file_of(dataset) for dataset in (MNIST, Digits(kind="digits"))] == ["mnist", None]


def test_a_pickle_is_never_read(tmp_path, arrays):
    ran = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return (ran.touch, ())

    write(tmp_path, {**arrays, "y_test": np.array([Evil()], object)})
    with pytest.raises(SpecError, match="plain arrays"):
        MNIST.load(tmp_path)
    assert not ran.exists()
    pickle.loads(pickle.dumps(Evil()))
    assert ran.exists()


@pytest.mark.skipif(not (REAL_MNIST / "mnist.npz").is_file(), reason="no real mnist.npz here")
def test_the_real_mnist_can_be_read():
    loaded = MNIST.load(REAL_MNIST)
    assert np.bincount(loaded.y_test).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009
    ]  # fmt: skip
