"""All that a session has come to, as bytes: to go on from on another day."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zipfile import BadZipFile

import numpy as np

from lth.core.errors import CheckpointUnreadable
from lth.core.field_errors import valid
from lth.core.npz import decode, encode
from lth.spec.document import Experiment


@dataclass(frozen=True, slots=True)
class SessionState:
    """What a session knows beyond its context.

    Attributes:
        trunk: the dense training; None before it.
        models: the state of each experiment, by name, in the order of their beginning.
        asked: what each of them is to carry out; none of one that is led by hand.
        reused: the experiments that took their dense training from the trunk.
        rewind_points: steps of level 0 whose weights are kept.
    """

    trunk: bytes | None
    models: Mapping[str, bytes]
    asked: Mapping[str, Experiment]
    reused: frozenset[str]
    rewind_points: frozenset[int]

    def to_bytes(self) -> bytes:
        """The state as an npz of npz."""
        header = {
            "asked": [each.model_dump(mode="json") for each in self.asked.values()],
            "reused": sorted(self.reused),
            "rewind_points": sorted(self.rewind_points),
        }
        trunk = {} if self.trunk is None else {"trunk": self.trunk}
        return bundle(
            {**trunk, **{f"models/{name}": it for name, it in self.models.items()}}, header
        )

    @classmethod
    def from_bytes(cls, content: bytes) -> "SessionState":
        """The state that `to_bytes` wrote.

        Raises:
            CheckpointUnreadable: when it is none.
        """
        parts, header = unbundle(content, "LotterySession")
        experiments: tuple[Experiment, ...]
        experiments = valid(tuple[Experiment, ...], header["asked"], "experiments")
        reused, points = frozenset(header["reused"]), frozenset(header["rewind_points"])
        asked = {experiment.name: experiment for experiment in experiments}
        models = {name.removeprefix("models/"): it for name, it in parts.items() if name != "trunk"}
        return cls(parts.get("trunk"), models, asked, reused, points)


def bundle(parts: Mapping[str, bytes], header: Any) -> bytes:
    """Several states and a header of plain data as one."""
    return encode({name: np.frombuffer(part, np.uint8) for name, part in parts.items()}, header)


def unbundle(content: bytes, owner: str) -> tuple[dict[str, bytes], Any]:
    """The states and the header of `bundle`'s bytes.

    Args:
        content: the bytes.
        owner: the class whose `state` should have returned them.

    Raises:
        CheckpointUnreadable: when they are none, or another class's.
    """
    try:
        arrays, header = decode(content)
    except (ValueError, EOFError, BadZipFile) as error:
        raise _unreadable(content) from error
    found = _owner(arrays, header)
    if found is None:
        raise _unreadable(content)
    if found != owner:
        raise CheckpointUnreadable(
            f"this is the state of a {found}, not of a {owner}; give it to {found}.restore"
        )
    return {name: array.tobytes() for name, array in arrays.items()}, header


def _owner(parts: Mapping[str, Any], header: Any) -> str | None:
    """The class whose `state` has these parts and this header."""
    match header:
        case {"asked": _, "reused": _, "rewind_points": _}:
            return "LotterySession"
        case {"format": _, "engine": _}:
            return "LotteryModel"
        case None if parts and all(name.startswith("trial-") for name in parts):
            return "LotteryRobust"
    return None


def _unreadable(content: bytes) -> CheckpointUnreadable:
    return CheckpointUnreadable(
        f"these {len(content):,} bytes are no session's; give what its state() returned"
    )
