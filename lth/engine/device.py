"""The device that trains, and the data set on it."""

import platform
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from lth.core.seeds import Purpose, generator
from lth.datasets import Arrays
from lth.datasets.preparation import Normalisation, affine, split

_KEPT, _KEPT_BYTES = 3, 1 << 30


@dataclass(frozen=True, slots=True)
class Split:
    """Samples for evaluation: rows of `x` in equal batches; the last batch may be padded.

    Attributes:
        x, y: the tensors to which the rows refer.
        batches: rows, int32 [batches, batch].
        counted: float32 of the same shape; 0 for rows that only pad.
        samples: number of samples without padding.
    """

    x: Any
    y: Any
    batches: Any
    counted: Any
    samples: int

    @classmethod
    def of(cls, x: Any, y: Any, rows: np.ndarray, at_once: int) -> "Split":
        """The split of `x` and `y` with these rows, in batches of `at_once` samples at most."""
        batch = min(at_once, len(rows))
        padding = -len(rows) % batch
        counted = np.pad(np.ones(len(rows), np.float32), (0, padding))
        batches = np.pad(rows.astype(np.int32), (0, padding)).reshape(-1, batch)
        return cls(x, y, tf.constant(batches), tf.constant(counted.reshape(-1, batch)), len(rows))


@dataclass(frozen=True, slots=True)
class DeviceData:
    """A data set on the device, split for one trial. A network sees ``x * factor + offset``.

    Attributes:
        x_train, y_train: all training samples as stored, including the validation samples.
        factor, offset: float32, broadcast over a sample.
        train: rows of `x_train` for training, int32, ascending.
        train_split, validation, test: splits for evaluation.
        classes: number of classes.
        majority: share of the most frequent class of the test samples.
        identity: digest of the arrays, number of validation samples, and normalization.
    """

    x_train: Any
    y_train: Any
    factor: Any
    offset: Any
    train: np.ndarray
    train_split: Split
    validation: Split
    test: Split
    classes: int
    majority: float
    identity: str

    @classmethod
    def of(
        cls,
        arrays: Arrays,
        validation: int,
        seed: int,
        normalisation: Normalisation,
        classes: int,
        evaluated_at_once: int,
    ) -> "DeviceData":
        """Copy a data set to the device, and split it for the trial with `seed`.

        `evaluated_at_once` is the batch size of evaluations.
        """
        x_train, y_train, x_test, y_test = _tensors(arrays)
        rows = split(arrays, validation, seed)
        factor, offset = affine(arrays, normalisation, rows.train)
        return cls(
            x_train,
            y_train,
            tf.constant(factor),
            tf.constant(offset),
            rows.train,
            Split.of(x_train, y_train, rows.train, evaluated_at_once),
            Split.of(x_train, y_train, rows.validation, evaluated_at_once),
            Split.of(x_test, y_test, np.arange(len(arrays.y_test)), evaluated_at_once),
            classes,
            float(np.bincount(arrays.y_test).max() / len(arrays.y_test)),
            f"{arrays.digest} {validation} {normalisation}",
        )

    def order(self, batch_size: int, seed: int, level: int, epoch: int) -> np.ndarray:
        """The batches of an epoch, int32 [steps, batch_size], without an incomplete last batch."""
        rows = generator(seed, Purpose.DATA_ORDER, level, epoch).permutation(self.train)
        steps = len(rows) // batch_size
        return rows[: steps * batch_size].reshape(steps, batch_size).astype(np.int32)


def on_cpu() -> bool:
    """Whether the CPU trains, because there is no GPU."""
    return not tf.config.list_physical_devices("GPU")


def have_sums_in_one_order() -> None:
    """Make a GPU compute sums in a fixed order, and XLA choose kernels without timing them.

    Otherwise equal specs would give different bytes on a GPU. It applies to the whole process.
    """
    if not on_cpu():
        tf.config.experimental.enable_op_determinism()


def device_kind() -> str:
    """The kind of device: the name of the GPU, or "cpu" and the name of the processor.

    Runs on the same kind of device give the same bytes.
    """
    if on_cpu():
        return f"cpu: {_processor()}"
    gpu = tf.config.list_physical_devices("GPU")[0]
    return str(tf.config.experimental.get_device_details(gpu).get("device_name", "gpu"))


def gpu_trouble(*, compute: bool) -> str | None:
    """Why the GPU of this process cannot train; None if it can.

    Args:
        compute: whether to try a computation, which occupies memory of the GPU until the process
            ends.
    """
    if on_cpu():
        return "TensorFlow sees no GPU; its first lines in the log say which library it misses"
    if not compute:
        return None
    try:
        ones = tf.ones((256, 256))
        product = ones @ ones
        total = float(tf.reduce_sum(product))
    except (tf.errors.OpError, RuntimeError) as error:
        return f"the GPU does not compute: {error}"
    if "GPU" not in product.device:
        return f"the GPU does not compute, but {product.device} in its place"
    return None if total == 256**3 else f"the GPU computes wrongly: {total:g} for {256**3:g}"


def _processor() -> str:
    """The name of the processor, or of its instruction set if the system does not tell the name."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(names), platform.processor() or platform.machine())


_on_device: OrderedDict[str, tuple[int, Any]] = OrderedDict()
"""The size in bytes and the tensors of each data set, by digest."""


def forget_data(most_bytes: int) -> bool:
    """Release data sets, the largest first, until at most `most_bytes` are on the device.

    Args:
        most_bytes: bytes that may stay.

    Returns:
        Whether any data set was released.
    """
    before = len(_on_device)
    while sum(size for size, _ in _on_device.values()) > most_bytes:
        del _on_device[max(_on_device, key=lambda digest: _on_device[digest][0])]
    return len(_on_device) < before


def _tensors(arrays: Arrays) -> tuple[Any, Any, Any, Any]:
    """The arrays as tensors. Those of the last few small data sets stay on the device.

    Old data sets are released before new ones are copied, so that two large ones never coexist.
    """
    if arrays.digest not in _on_device:
        while _on_device and (
            len(_on_device) >= _KEPT
            or arrays.nbytes + sum(size for size, _ in _on_device.values()) > _KEPT_BYTES
        ):
            _on_device.popitem(last=False)
        tensors = (
            tf.constant(arrays.x_train),
            tf.constant(arrays.y_train),
            tf.constant(arrays.x_test),
            tf.constant(arrays.y_test),
        )
        _on_device[arrays.digest] = (arrays.nbytes, tensors)
    _on_device.move_to_end(arrays.digest)
    return _on_device[arrays.digest][1]
