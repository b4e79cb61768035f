"""One attempt at a claimed run, from its inputs to the commit of its result."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version

import structlog

from lth.core.errors import LotteryError, Stopped
from lth.engine.observer import Inputs, Outcome
from lth.spec.document import Spec, parse_spec, spec_hash
from lth.spec.plan import RunKind
from lth.spec.titles import what_was_run
from service.store.blobs import saving
from service.store.blobs.object_store import Blob, StorageFailed
from service.store.errors import LeaseLost
from service.store.runs import finishing, trunks
from service.store.runs.claims import Claimed
from service.store.runs.finishing import Failure, Success
from service.store.runs.leases import Lease
from service.store.states import Reason
from worker.child.child import Child
from worker.run import inputs
from worker.run.failures import failure_of
from worker.run.heartbeat import TOO_LONG, heartbeat
from worker.run.logs import RunLog, captured
from worker.run.observer import Order, RunObserver
from worker.run.retries import with_retries

log = logging.getLogger(__name__)


def attempt(child: Child, claimed: Claimed) -> Sequence[str]:
    """Execute a claimed run, and commit its end.

    The first run of a child is returned to the queue if the GPU of the child does not compute. If a
    run fails because of its GPU, it counts as lost instead of failed, because another GPU may work.

    Returns:
        The pools in which dependent runs can start now.
    """
    lease = claimed.lease
    ids = {"job_id": lease.job_id, "run": lease.key, "attempt": lease.attempt}
    with structlog.contextvars.bound_contextvars(**ids):
        return _attempt(child, claimed, lease)


def _attempt(child: Child, claimed: Claimed, lease: Lease) -> Sequence[str]:
    observer = RunObserver(
        lease,
        child.settings,
        child.database,
        child.blobs,
        child.draining,
        claimed.max_seconds,
        claimed.checkpoint_digest,
    )
    try:
        with (
            heartbeat(child, observer, claimed.job_lasts),
            captured(child.redaction.bytes) as output,
        ):
            observer.output = output
            try:
                if not child.used_device and (trouble := child.try_gpu()):
                    return _give_back(child, observer, trouble)
                child.used_device = True
                return _execute(child, claimed, observer, output)
            except LeaseLost:
                raise
            except Stopped:
                _stopped(child, observer, output)
            except Exception as error:
                failure = failure_of(error, child.redaction)
                # The message of a LotteryError tells all; a traceback would hide it.
                trace = None if isinstance(error, LotteryError) else error
                log.error("the run '%s' of %s failed: %s",
                          lease.key, lease.job_id, failure.message, exc_info=trace)  # fmt: skip
                if why := _gpu_fault(child, failure.reason):
                    _lose(child, observer, why)
                else:
                    _fail(child, observer, failure, output)
    except LeaseLost as error:
        log.warning("abandoned: %s", error)
    finally:
        observer.forget()
    return ()


def _execute(
    child: Child, claimed: Claimed, observer: RunObserver, output: RunLog
) -> Sequence[str]:
    log.info("attempt %d at '%s' of %s", claimed.lease.attempt, claimed.lease.key,
             claimed.lease.job_id)  # fmt: skip
    spec, planned = parse_spec(claimed.spec), claimed.planned
    _log_settings(child, claimed, output, spec)
    key, given = with_retries(child, observer, lambda: _read(child, claimed, observer, spec))
    if given is None:
        outcome = Outcome(None, ())
    else:
        outcome = child.execution.execute(spec, planned, given, observer)
    released = with_retries(child, observer, lambda: _commit(child, observer, outcome, key, output))
    observer.needs_no_checkpoint()
    return released


def _log_settings(child: Child, claimed: Claimed, output: RunLog, spec: Spec) -> None:
    """Log what is run, where, and with what."""
    lease, device = claimed.lease, child.gpu.name if child.gpu else "cpu"
    versions = [f"{package} {version(package)}" for package in ("lth", "tensorflow", "keras")]
    begin = "its last checkpoint" if claimed.checkpoint_digest else "the beginning"
    output.say(f"attempt {lease.attempt} at '{lease.key}' of {lease.job_id}, from {begin}")
    output.say(f"on {child.id} ({device}); {', '.join(versions)}")
    output.say(f"spec {spec_hash(spec)}, seed {claimed.planned.seed}: {what_was_run(spec)}")
    output.say(f"training: {spec.training.model_dump_json()}")


def _read(
    child: Child, claimed: Claimed, observer: RunObserver, spec: Spec
) -> tuple[str, Inputs | None]:
    """The key of the run's trunk, and its inputs; no inputs if the run is a trunk that exists.

    Raises:
        Stopped: if the run was ordered to stop.
    """
    observer.obey()
    data = inputs.load(spec, child.settings.datasets_dir, child.blobs)
    key = inputs.trunk_key(child, claimed.planned, data)
    if claimed.planned.kind is RunKind.TRUNK and _trunk_exists(child, key):
        return key, None
    return key, inputs.gather(child, spec, claimed, data, key)


def _trunk_exists(child: Child, key: str) -> bool:
    with child.database.transaction() as session:
        digest = trunks.find(session, key)
    return digest is not None and child.blobs.has(digest)


def _commit(
    child: Child, observer: RunObserver, outcome: Outcome, key: str, output: RunLog
) -> Sequence[str]:
    """Save blobs before rows."""
    kept = observer.save_artifacts(outcome.artifacts)
    trunk = None
    if outcome.trunk is not None:
        trunk = saving.save_file(child.database, child.blobs, outcome.trunk)
    log.info("finished '%s' of %s", observer.lease.key, observer.lease.job_id)
    success = Success(outcome.result, kept, key, trunk, _save_blob(child, output.content()))
    with child.database.transaction() as session:
        return finishing.succeed(session, observer.lease, success, child.settings)


def _save_blob(child: Child, content: bytes) -> Blob:
    return saving.save(child.database, child.blobs, content)


def _save_log(child: Child, output: RunLog) -> Blob | None:
    """Save the log of a run; an unavailable object store does not delay the end of the run."""
    try:
        return _save_blob(child, output.content())
    except StorageFailed as error:
        log.warning("the log of a run could not be saved: %s", error)
        return None


def _stopped(child: Child, observer: RunObserver, output: RunLog) -> None:
    """Record why a run stopped before its end."""
    lease, settings = observer.lease, child.settings
    log.info("stopped '%s' of %s: %s", lease.key, lease.job_id, observer.order)
    if observer.order is Order.LEASE_LOST:
        raise lease.lost
    if observer.order in TOO_LONG:
        _fail(child, observer, Failure(Reason.TIMEOUT, TOO_LONG[observer.order]), output)
        return
    if observer.order is Order.DRAIN:
        _give_back(child, observer, "its worker is stopping")
        return

    def write() -> None:
        kept = _save_log(child, output)
        with child.database.transaction() as session:
            finishing.cancelled(session, lease, settings, kept)

    with_retries(child, observer, write)


def _gpu_fault(child: Child, reason: Reason) -> str | None:
    """The reason if a run failed because of its GPU: it is broken, or other programs fill it."""
    if reason is Reason.INTERNAL and (trouble := child.try_gpu()):
        child.must_be_replaced.set()
        return trouble
    return child.refusal() if reason is Reason.OUT_OF_MEMORY else None


def _give_back(child: Child, observer: RunObserver, why: str) -> tuple[()]:
    def write() -> None:
        with child.database.transaction() as session:
            finishing.give_back(session, observer.lease, child.settings, why)

    log.warning("'%s' of %s is queued again: %s", observer.lease.key, observer.lease.job_id, why)
    with_retries(child, observer, write)
    return ()


def _lose(child: Child, observer: RunObserver, why: str) -> None:
    def write() -> None:
        with child.database.transaction() as session:
            finishing.lose(session, observer.lease, child.settings, why)

    log.error("'%s' of %s is lost: %s", observer.lease.key, observer.lease.job_id, why)
    with_retries(child, observer, write)


def _fail(child: Child, observer: RunObserver, failure: Failure, output: RunLog) -> None:
    def write() -> None:
        told = replace(failure, log=_save_log(child, output), log_tail=output.tail())
        with child.database.transaction() as session:
            finishing.fail(session, observer.lease, told, child.settings)

    with_retries(child, observer, write)
