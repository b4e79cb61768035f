"""The inputs of a run: undamaged files of the store, and cached data sets."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from lth.core.npz import encode
from lth.datasets import Arrays
from lth.results.artifacts import MASKS
from lth.spec.document import Spec, parse_spec
from service.store.blobs import saving
from service.store.blobs.object_store import Blobs
from service.store.runs import artifacts
from service.store.states import Reason, RunState
from tests.worker.steps import claim, runs, submit
from worker.child.child import Child
from worker.process.loop import work
from worker.run import inputs


@pytest.mark.parametrize("damage", [Path.unlink, lambda file: file.write_bytes(b"another")])
def test_a_run_without_a_usable_checkpoint_starts_again(
    child: Child, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    submit(child)
    claimed, spec = claim(child), parse_spec({"kind": "model"})
    blob = saving.save(child.database, child.blobs, b"a checkpoint")
    claimed = replace(claimed, checkpoint_digest=blob.digest)
    data = inputs.load(spec, None, child.blobs)
    checkpoint = inputs.gather(child, spec, claimed, data, "none").checkpoint
    assert checkpoint is not None
    assert checkpoint.read() == b"a checkpoint"

    (file,) = (path for path in tmp_path.rglob("*") if path.name == blob.digest)
    damage(file)
    assert inputs.gather(child, spec, claimed, data, "none").checkpoint is None


def test_a_control_gets_the_masks_of_its_ticket(
    child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiments = [{"name": "a"}, {"name": "b", "control": {"kind": "random_weights", "of": "a"}}]
    given: dict[str | None, bytes | None] = {}
    execute = child.execution.execute

    def look(spec: Any, run: Any, inputs: Any, observer: Any) -> Any:
        given[run.experiment] = inputs.ticket_masks
        return execute(spec, run, inputs, observer)

    monkeypatch.setattr(child.execution, "execute", look)
    job_id = submit(child, "session", experiments=experiments)
    assert work(child) == 3
    with child.database.transaction() as session:
        digest = artifacts.get(session, job_id, f"trial-1/a/{MASKS}").digest
    assert given == {None: None, "a": None, "b": child.blobs.get(digest)}


@dataclass(frozen=True)
class Data:
    """A data set that is read into so many bytes."""

    name: str
    nbytes: int

    def load(self, directory: Path | None) -> Arrays:
        return cast(Arrays, SimpleNamespace(nbytes=self.nbytes, name=self.name))


def test_the_cache_of_data_sets_is_bounded_by_number_and_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept: OrderedDict[Any, Any] = OrderedDict()
    monkeypatch.setattr(inputs, "_loaded", kept)

    def load(name: str, nbytes: int = 1) -> list[str]:
        spec = cast(Spec, SimpleNamespace(dataset=Data(name, nbytes)))
        inputs.load(spec, None, cast(Blobs, None))
        return [data.name for data, _ in kept]

    assert [load("a"), load("b")] == [["a"], ["a", "b"]]
    assert load("a") == ["b", "a"]
    assert load("c") == ["a", "c"]
    assert load("large", 1 << 30) == ["large"]
    assert load("a") == ["a"]


def one_sentence(child: Child, job_id: str, log: str) -> str:
    """The message of a failed run, which is in its log without a traceback."""
    (run,) = runs(child, job_id).values()
    assert (run.state, run.failure_reason) == (RunState.FAILED, Reason.USER_ERROR)
    message = run.failure_message or ""
    assert message in log
    assert "Traceback" not in log
    return message


@pytest.mark.parametrize(
    ("damage", "how"),
    [(Path.unlink, "missing"), (lambda file: file.write_bytes(b"another"), "damaged")],
)
def test_a_run_whose_uploaded_data_set_has_vanished_fails_with_one_sentence(
    child: Child,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[Path], object],
    how: str,
) -> None:
    x, y = np.zeros((50, 3), np.uint8), np.arange(50) % 2
    blob = saving.save(child.database, child.blobs, encode({"x": x, "y": y}))
    facts = {"shape": [3], "classes": 2, "train": 40, "test": 10}
    named = {"kind": "uploaded", "id": f"ds_{'0' * 32}", "digest": blob.digest, "facts": facts}
    job_id = submit(child, dataset=named, training={"batch_size": 10})
    (file,) = (path for path in tmp_path.rglob("*") if path.name == blob.digest)
    damage(file)
    assert work(child) == 1
    assert one_sentence(child, job_id, caplog.text) == (
        f"the file of the uploaded data set '{named['id']}' is {how} in the object store; upload "
        "the data set again, and submit the job with its new id"
    )


@pytest.mark.timeout(300)  # Importing TensorFlow takes long on a busy machine.
def test_a_run_whose_data_set_cannot_be_found_fails_with_one_sentence(
    child: Child,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    child.settings = child.settings.model_copy(update={"datasets_dir": tmp_path})
    job_id = submit(child, dataset="cifar100")
    assert work(child) == 1
    message = one_sentence(child, job_id, caplog.text)
    assert message.startswith(
        f"the data set 'cifar100' was not found: no cifar100.npz in {tmp_path}"
    )
    assert "Keras cannot download it" in message
    assert "\n" not in message
