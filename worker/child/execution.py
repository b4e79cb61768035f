"""The interface of `lth.study.execution`, which executes runs; only a child imports that module."""

from typing import Protocol

from lth.engine.observer import Inputs, Outcome, Publisher
from lth.spec.document import Spec
from lth.spec.plan import Assignment


class Execution(Protocol):
    """The functions of a module that executes runs."""

    def execute(
        self, spec: Spec, run: Assignment, inputs: Inputs, observer: Publisher
    ) -> Outcome: ...

    def trunk_key(self, trunk: str, data_digest: str, device_kind: str) -> str: ...

    def device_kind(self) -> str: ...

    def gpu_trouble(self, *, compute: bool) -> str | None: ...

    def programs_made(self) -> int: ...

    def forget_data(self, most_bytes: int) -> bool: ...
