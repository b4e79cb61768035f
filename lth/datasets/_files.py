"""Finds the arrays of a known data set: in a directory, in the cache of Keras, or by download.

Keras is imported only if the file is not in the directory, so the service works without Keras.
"""

import importlib
import importlib.util
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lth.core.errors import DatasetMissing, SpecError

SETTING = "LTH_DATASETS_DIR"
MEMBERS = ("x_train", "y_train", "x_test", "y_test")

Found = Mapping[str, NDArray[np.generic]]

_OF_KERAS = {
    "fashion_mnist": "fashion-mnist/t10k-images-idx3-ubyte.gz",
    "cifar10": "cifar-10-batches-py*",
    "cifar100": "cifar-100-python*",
}
"""Files in the cache of Keras that are not NAME.npz; of Fashion-MNIST, the last of four."""


def find(name: str, directory: Path | None) -> Found:
    """The four arrays of a data set.

    Args:
        name: name of the file without ``.npz``, and of the module of Keras.
        directory: the first place to look.

    Raises:
        DatasetMissing: if no place has the file; the message names the setting and the places.
        SpecError: if the file in `directory` cannot be read, or is no such file.
    """
    if directory is not None and (given := _given(directory / f"{name}.npz")) is not None:
        return given
    cache = keras_cache()
    # A file that another process is still writing is not a zip file yet; Keras waits for it below.
    with suppress(SpecError, OSError):
        return read_npz(cache / f"{name}.npz")
    looked = f"no {name}.npz in {directory}" if directory else f"{SETTING} is not set"
    try:
        return _from_keras(name, cache)
    except Exception as error:
        # Keras raises a bare Exception when a download fails.
        raise DatasetMissing(
            f"the data set '{name}' was not found: {looked}, nor in {cache}, and Keras cannot "
            f"download it ({error or type(error).__name__}); put {name}.npz, with the arrays "
            f"{', '.join(MEMBERS)}, into the folder that {SETTING} names"
        ) from error


def _given(path: Path) -> Found | None:
    """The arrays of a file; None if there is no such file."""
    try:
        return read_npz(path)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except OSError as error:
        raise SpecError(f"{path} cannot be read: {error.strerror or error}") from error


def is_present(name: str, directory: Path | None) -> bool:
    """Whether `find` needs no download, as far as the names of files tell."""
    if directory is not None and os.path.isfile(directory / f"{name}.npz"):
        return True
    cached = {f"{name}.npz", _OF_KERAS.get(name, f"{name}.npz")}
    return any(True for pattern in cached for _ in keras_cache().glob(pattern))


def read_npz(path: Path) -> Found:
    """Read the four arrays, without unpickling.

    Raises:
        SpecError: if the file is not an npz file, or lacks an array.
        OSError: if it cannot be opened.
    """
    try:
        with path.open("rb") as raw:
            if not zipfile.is_zipfile(raw):
                raise zipfile.BadZipFile("it is not a zip file")
            raw.seek(0)
            with np.load(raw, allow_pickle=False) as file:
                return {name: file[name] for name in MEMBERS}
    except KeyError as error:
        raise SpecError(f"{path} lacks an array: {error.args[0]}") from error
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise SpecError(f"{path} is not a readable npz file of plain arrays: {error}") from error


def keras_cache() -> Path:
    """The directory in which Keras caches data sets."""
    home = os.environ.get("KERAS_HOME")
    return (Path(home) if home else Path.home() / ".keras") / "datasets"


def _from_keras(name: str, cache: Path) -> Found:
    """Let Keras read its cache or download the file.

    Its unpickler for CIFAR creates only arrays.
    """
    if importlib.util.find_spec("keras") is None:
        raise ModuleNotFoundError("Keras is not installed here")
    with _alone_in(cache):
        module = importlib.import_module(f"keras.datasets.{name}")
        (x_train, y_train), (x_test, y_test) = module.load_data()
    return dict(zip(MEMBERS, (x_train, y_train, x_test, y_test), strict=True))


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """A lock, so that no process reads a file that another one still downloads."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lth.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
