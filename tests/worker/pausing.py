"""Executes runs with the module in ``LTH_TEST_EXECUTION``, in a child that can be paused.

At each point of `tests.worker.pauses` the child stops itself (SIGSTOP) if a test asked for it:
inside a transaction, with its statements executed and nothing committed.
"""

import importlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from service.store.runs import claims, finishing, leases
from tests.worker import pauses

_execution: Any = importlib.import_module(os.environ["LTH_TEST_EXECUTION"])
execute = _execution.execute
trunk_key = _execution.trunk_key
device_kind = _execution.device_kind
gpu_trouble = _execution.gpu_trouble
programs_made = _execution.programs_made


def _pausing(function: Callable[..., Any], point: str) -> Callable[..., Any]:
    def with_pause(*arguments: Any, **named: Any) -> Any:
        result = function(*arguments, **named)
        folder = Path(os.environ["LTH_TEST_FOLDER"])
        if result is not None and pauses.withdraw(folder, point):
            pauses.note(folder, point)
            os.kill(os.getpid(), signal.SIGSTOP)
        return result

    return with_pause


claims.claim = _pausing(claims.claim, "claim")
leases.tell = _pausing(leases.tell, "progress")
finishing.succeed = _pausing(finishing.succeed, "commit")
