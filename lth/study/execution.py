"""Executes one planned run. A worker calls `execute`."""

import hashlib
import logging
import re
from collections import defaultdict
from collections.abc import Callable
from typing import BinaryIO

import keras
import tensorflow as tf

from lth.core.errors import CheckpointUnreadable
from lth.core.npz import decode
from lth.engine.device import device_kind, forget_data, gpu_trouble
from lth.engine.observer import Inputs, Observer, Outcome, Progress, Publisher, TrainedLevel
from lth.engine.program import programs_made
from lth.experiment.context import Context
from lth.experiment.state import FORMAT, ExperimentState, check_readable
from lth.pruning.masks import Mask
from lth.spec.document import ControlExperiment, Experiment, Spec, spec_hash
from lth.spec.plan import (
    Assignment,
    RunKind,
    experiment_named,
    rewind_points,
    rewind_points_of,
)
from lth.study.files import level_files, report_file
from lth.study.session import LotterySession

__all__ = ["device_kind", "execute", "forget_data", "gpu_trouble", "programs_made", "trunk_key"]

log = logging.getLogger(__name__)

_MASK = re.compile(r"level-(\d+)/(.+)")


def trunk_key(trunk: str, digest: str, device: str) -> str:
    """The identity of a trunk, extended by the data and the device, which only a worker knows.

    Args:
        trunk: `Assignment.trunk`.
        digest: digest of the data set.
        device: `device_kind()`.
    """
    trained_by = f"tensorflow {tf.__version__}, keras {keras.__version__}"
    known = f"{trunk} {digest} {device} {FORMAT} {trained_by}"
    return hashlib.sha256(known.encode()).hexdigest()


def execute(spec: Spec, run: Assignment, inputs: Inputs, observer: Publisher) -> Outcome:
    """Execute the trunk or the experiment of one trial.

    Args:
        spec: the spec of the whole job.
        run: one of `plan(spec)`.
        inputs: the data, and files of other runs and earlier attempts.
        observer: receives progress, checkpoints, and the outcome so far after each level of an
            experiment. An exception of the observer ends the run.

    Raises:
        Diverged: if the loss is not finite.
        Stopped: if the observer raises it.
    """
    context = Context.of_spec(spec, run.seed, inputs.data)
    session = LotterySession.under(context, run.trial, rewind_points(spec))
    trunk = _if_readable(inputs.trunk, "trunk")
    checkpoint = _if_readable(inputs.checkpoint, "checkpoint")
    if run.kind is RunKind.TRUNK:
        return Outcome(None, (), session.dense_training(observer, checkpoint))
    assert run.experiment is not None
    experiment = experiment_named(spec, run.experiment)
    if trunk is not None:
        session.share(_with_points_of(experiment, spec, trunk))
    ticket, masks = None, None
    if isinstance(experiment, ControlExperiment):
        assert inputs.ticket_masks is not None, "a control needs the masks of its ticket"
        ticket = experiment_named(spec, experiment.control.of)
        masks = _by_level(inputs.ticket_masks)
    publishing = _Publishing(observer, session, experiment.name)
    result = session.carry_out(
        experiment, publishing, checkpoint=checkpoint, ticket=ticket, ticket_masks=masks
    )
    about = {"spec": spec.model_dump(mode="json"), "spec_hash": spec_hash(spec), "run": run.key}
    model = session.experiment(experiment.name)
    files = (*level_files(model), report_file(result, about))
    return Outcome(result, files, session.dense_training() if trunk is None else None)


class _Publishing(Observer):
    """Publishes the finished levels of an experiment to the observer of its run."""

    def __init__(self, observer: Publisher, session: LotterySession, experiment: str) -> None:
        self._observer, self._session, self._experiment = observer, session, experiment

    def progress(self, progress: Progress) -> None:
        self._observer.progress(progress)

    def level_finished(self, level: TrainedLevel) -> None:
        self._observer.level_finished(level)
        self._publish()

    def level_restored(self, level: TrainedLevel) -> None:
        self._observer.level_restored(level)
        self._publish()

    def checkpoint(self, content: Callable[[], BinaryIO]) -> None:
        self._observer.checkpoint(content)

    def _publish(self) -> None:
        result = self._session.result(self._experiment).model_copy(update={"partial": True})
        files = level_files(self._session.experiment(self._experiment))
        self._observer.publish(Outcome(result, files))


def _with_points_of(experiment: Experiment, spec: Spec, trunk: BinaryIO) -> BinaryIO:
    """A trunk with only those rewind points that one experiment needs.

    The checkpoints of the experiment would contain all of them otherwise.
    """
    needed = rewind_points_of(spec, experiment)
    if needed == rewind_points(spec):
        return trunk
    state = ExperimentState.from_file(trunk)
    state.rewinds = {step: kept for step, kept in state.rewinds.items() if step in needed}
    return state.to_file()


def _if_readable(content: BinaryIO | None, what: str) -> BinaryIO | None:
    """Whether this version can continue from a trunk or a checkpoint."""
    if content is None:
        return None
    try:
        check_readable(content)
    except CheckpointUnreadable as error:
        log.warning("the %s is ignored: %s", what, error)
        return None
    return content


def _by_level(content: bytes) -> dict[int, dict[str, Mask]]:
    """The masks of ``masks.npz``, by level and layer name."""
    levels: dict[int, dict[str, Mask]] = defaultdict(dict)
    for name, mask in decode(content)[0].items():
        level, layer = _MASK.fullmatch(name).groups()  # pyright: ignore[reportOptionalMemberAccess]
        levels[int(level)][layer] = mask
    return dict(levels)
