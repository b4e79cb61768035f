"""Executes the runs of a job in two processes with one thread each, as a worker does."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from io import BytesIO

from benchmarks.watch import WATCH
from lth.core.durations import Duration
from lth.core.seeds import trial_seed
from lth.datasets import Arrays
from lth.engine.observer import Inputs, Publisher
from lth.spec.document import Spec
from lth.spec.plan import Assignment, RunKind, plan

_WORKERS = 2


class TwoWorkers:
    """Two warm processes that share a job's runs.

    Args:
        spec: the job, a session.
        arrays: its data.
        only_dense: whether to train only the dense network of each trial.
        trials: number of trials; each has its own seed.
    """

    def __init__(self, spec: Spec, arrays: Arrays, only_dense: bool, trials: int) -> None:
        self._spec, self._samples = spec, len(arrays.y_train) - spec.dataset.validation
        trunk, *others = plan(spec)
        self._trunks = [
            Assignment(trunk.key, RunKind.TRUNK, trial, trial_seed(0, trial), None, "")
            for trial in range(1, trials + 1)
        ]
        experiments = [run for run in others if run.kind is RunKind.EXPERIMENT]
        self._experiments = [] if only_dense else experiments
        os.environ.update(TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1")
        self._pool = ProcessPoolExecutor(
            _WORKERS, multiprocessing.get_context("spawn"), _keep, (spec, arrays)
        )
        short = spec.model_copy(
            update={"training": spec.training.model_copy(update={"duration": Duration(1, "ep")})}
        )
        for done in [self._pool.submit(_warm, short) for _ in range(_WORKERS)]:
            done.result()

    def run(self) -> tuple[int, float]:
        """Execute the job.

        Returns:
            The number of training samples, and the mean seconds of a worker in compiled code.
        """
        done = list(self._pool.map(_execute, self._trunks))
        shared = [done[0][0]] * len(self._experiments)
        done += self._pool.map(_execute, self._experiments, shared)
        compiled = sum(seconds for _, seconds in done) / _WORKERS
        levels = len(self._trunks) + len(self._experiments)
        training = self._spec.training
        return levels * training.iterations(self._samples) * training.batch_size, compiled

    def close(self) -> None:
        """End the processes."""
        self._pool.shutdown()


_kept: list[tuple[Spec, Arrays]] = []


def _keep(spec: Spec, arrays: Arrays) -> None:
    _kept.append((spec, arrays))


def _warm(short: Spec) -> None:
    """Compile the programs of the job. During this time, the other process gets the other call."""
    from lth.study.execution import execute

    _, arrays = _kept[0]
    trunk, *others = plan(short)
    dense = execute(short, trunk, Inputs(arrays), Publisher()).trunk
    execute(short, others[0], Inputs(arrays, trunk=dense), Publisher())
    WATCH.on_engine()


def _execute(run: Assignment, trunk: bytes | None = None) -> tuple[bytes | None, float]:
    """Execute a run; returns its trunk, and the seconds in compiled code."""
    from lth.study.execution import execute

    spec, arrays = _kept[0]
    before = WATCH.seconds
    given = None if trunk is None else BytesIO(trunk)
    made = execute(spec, run, Inputs(arrays, trunk=given), Publisher()).trunk
    return None if made is None else made.read(), WATCH.seconds - before
