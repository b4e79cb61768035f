"""Files of a run are usable without this library; the README loads them into plain Keras."""

import io
import re
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from lth.engine.observer import Inputs, Publisher
from lth.spec.document import parse_spec
from lth.spec.plan import plan
from lth.study.execution import execute
from tests import ROOT

README = (ROOT / "README.md").read_text()
BRIEF = {"kind": "model", "training": {"duration": "1ep"}}
NORMALISED = [
    "flatten",
    {"kind": "linear", "units": 20, "activation": "relu"},
    "batch_normalization",
    {"kind": "linear", "units": 10},
]
"""The statistics of a batch normalisation are not trained, but are between trained weights."""


def _executed(spec, folder: Path) -> tuple[float, Path]:
    """The final test accuracy of a run, and the folder with its files."""
    data = spec.dataset.load(None)
    outcome = execute(spec, plan(spec)[0], Inputs(data), Publisher())
    assert outcome.result is not None
    for artifact in outcome.artifacts:
        path = folder / "trial-1/ticket" / artifact.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(artifact.content())
    return outcome.result.levels[-1].final.test.accuracy, folder


def _accuracy(network: keras.Model, data) -> float:
    logits = np.asarray(network(data.x_test / 16))
    return float((logits.argmax(axis=1) == data.y_test).mean())


def test_the_readme_loads_a_fetched_ticket_into_keras(tmp_path: Path) -> None:
    spec = parse_spec(BRIEF)
    accuracy, folder = _executed(spec, tmp_path)
    (code,) = re.findall(r"```python\n([^`]*set_weights[^`]*)```", README)
    data = spec.dataset.load(None)
    ticket = folder / "trial-1/ticket/weights/level-1.npz"
    names: dict[str, Any] = {"images": data.x_test[:1], "np": np, "ticket": ticket}
    exec(code, names)
    assert _accuracy(names["network"], data) == pytest.approx(accuracy)


def test_arrays_are_in_the_order_of_keras_with_batch_normalisation(tmp_path: Path) -> None:
    spec = parse_spec({**BRIEF, "network": {"kind": "layers", "layers": NORMALISED}})
    accuracy, folder = _executed(spec, tmp_path)
    content = (folder / "trial-1/ticket/weights/level-1.npz").read_bytes()
    layers = keras.layers
    same = keras.Sequential(
        [
            layers.Flatten(),
            layers.Dense(20, "relu"),
            layers.BatchNormalization(),
            layers.Dense(10),
        ]
    )
    same.build((None, 8, 8, 1))
    same.set_weights([*np.load(io.BytesIO(content)).values()])
    assert _accuracy(same, spec.dataset.load(None)) == pytest.approx(accuracy)
