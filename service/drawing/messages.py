"""Messages between the API and its drawing process: named bytes, over pipes."""

import json
from collections.abc import Mapping
from typing import IO, Any

from pydantic import BaseModel, ConfigDict

from lth.results.artifacts import Format

ORDER, ERROR = "order", "error"
"""Names of the parts of a message that are not files."""


class Order(BaseModel):
    """A picture to be drawn. Its files are sent together with it.

    Attributes:
        picture: its name, such as ``plots/learning``.
        formats: its file formats.
        of_job: whether it shows all results; otherwise it shows the only one.
        spec: the spec of the job, as stored.
        results: the results, as stored.
    """

    model_config = ConfigDict(frozen=True)

    picture: str
    formats: tuple[Format, ...]
    of_job: bool
    spec: dict[str, Any]
    results: tuple[dict[str, Any], ...]


def write(stream: IO[bytes], message: Mapping[str, bytes]) -> None:
    """Send a message: a line with the sizes of its parts, then the parts."""
    sizes = {name: len(content) for name, content in message.items()}
    stream.write(json.dumps(sizes).encode() + b"\n")
    for content in message.values():
        stream.write(content)
    stream.flush()


def read(stream: IO[bytes]) -> dict[str, bytes]:
    """Receive a message.

    Raises:
        EOFError: if the other side has ended.
    """
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    return {name: _exactly(stream, size) for name, size in json.loads(line).items()}


def _exactly(stream: IO[bytes], size: int) -> bytes:
    content = stream.read(size)
    if len(content) < size:
        raise EOFError
    return content
