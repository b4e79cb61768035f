"""The state of a session as bytes, from which another process can continue."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zipfile import BadZipFile

import numpy as np

from lth.core.errors import CheckpointUnreadable
from lth.core.external import readable
from lth.core.field_errors import valid
from lth.core.npz import decode, encode
from lth.spec.document import Experiment


@dataclass(frozen=True, slots=True)
class SessionState:
    """The state of a session besides its context.

    Attributes:
        trunk: the dense training; None before it is trained.
        models: the state of each experiment by name, in the order in which they began.
        asked: the settings of each experiment that `run` executes, by name.
        reused: the experiments that took level 0 from the trunk.
        rewind_points: steps of level 0 whose weights are kept.
    """

    trunk: bytes | None
    models: Mapping[str, bytes]
    asked: Mapping[str, Experiment]
    reused: frozenset[str]
    rewind_points: frozenset[int]

    def to_bytes(self) -> bytes:
        """Serialize the state as an npz that contains npz files."""
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
        """Read the bytes that `to_bytes` returned.

        Raises:
            CheckpointUnreadable: if they are not a saved session.
        """
        parts, header = unbundle(content, "LotterySession")
        experiments: tuple[Experiment, ...]
        with readable():
            experiments = valid(tuple[Experiment, ...], header["asked"], "experiments")
        reused, points = frozenset(header["reused"]), frozenset(header["rewind_points"])
        asked = {experiment.name: experiment for experiment in experiments}
        models = {name.removeprefix("models/"): it for name, it in parts.items() if name != "trunk"}
        return cls(parts.get("trunk"), models, asked, reused, points)


def bundle(parts: Mapping[str, bytes], header: Any) -> bytes:
    """Pack several states and a header of plain data into one."""
    return encode({name: np.frombuffer(part, np.uint8) for name, part in parts.items()}, header)


def unbundle(content: bytes, owner: str) -> tuple[dict[str, bytes], Any]:
    """The states and the header that `bundle` packed.

    Args:
        content: the bytes.
        owner: the class whose `state` should have returned them.

    Raises:
        CheckpointUnreadable: if they are not a saved state, or belong to another class.
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
