"""The runs of a job through two processes of one thread each, as two children of a worker do it."""

import multiprocessing
import os
from typing import Any

from lth.datasets import Arrays
from lth.durations import Duration
from lth.plan import PlannedRun, RunKind, plan
from lth.seeds import trial_seed
from lth.spec import Spec

_WORKERS = 2
_ONE_EPOCH = Duration(1, "ep")


class TwoWorkers:
    """Two warm processes that share a job's runs.

    Args:
        spec: the job, a session.
        arrays: its data.
        only_dense: train the dense network of each trial, and nothing else.
        trials: how many times, each with its own seed.
    """

    def __init__(self, spec: Spec, arrays: Arrays, only_dense: bool, trials: int) -> None:
        self._spec, self._samples = spec, len(arrays.y_train) - spec.dataset.validation
        trunk, *others = plan(spec)
        self._trunks = [
            PlannedRun(trunk.key, RunKind.TRUNK, trial, trial_seed(0, trial), None, (), "")
            for trial in range(1, trials + 1)
        ]
        self._experiments = (
            [] if only_dense else [run for run in others if run.kind is RunKind.EXPERIMENT]
        )
        os.environ.update(TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1")
        context = multiprocessing.get_context("spawn")
        self._asked, self._answered = context.Queue(), context.Queue()
        for _ in range(_WORKERS):
            arguments = (spec, arrays, self._asked, self._answered)
            context.Process(target=_work, args=arguments, daemon=True).start()
        for _ in range(_WORKERS):
            self._answered.get()

    def run(self) -> int:
        """Carry the job out; returns the training samples that it took."""
        trunks = self._through([(run, None) for run in self._trunks])
        self._through([(run, trunks[0]) for run in self._experiments])
        levels = len(self._trunks) + len(self._experiments)
        training = self._spec.training
        return levels * training.iterations(self._samples) * training.batch_size

    def _through(self, asked: list[tuple[PlannedRun, bytes | None]]) -> list[Any]:
        for one in asked:
            self._asked.put(one)
        return [self._answered.get() for _ in asked]


def _work(spec: Spec, arrays: Arrays, asked: Any, answered: Any) -> None:
    from lth.execution import execute
    from lth.running import Inputs, Silent

    short = spec.model_copy(
        update={"training": spec.training.model_copy(update={"duration": _ONE_EPOCH})}
    )
    trunk, *others = plan(short)
    dense = execute(short, trunk, Inputs(arrays), Silent()).trunk
    if others:
        execute(short, others[0], Inputs(arrays, trunk=dense), Silent())
    answered.put("warm")
    while True:
        run, trunk = asked.get()
        answered.put(execute(spec, run, Inputs(arrays, trunk=trunk), Silent()).trunk)
