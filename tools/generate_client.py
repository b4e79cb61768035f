"""Generates the synchronous client, `lth/client/_sync`, from the asynchronous one.

``python tools/generate_client.py`` writes the files. With ``--check`` it writes nothing, and exits
with 1 if a file differs.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from unasync import Rule, unasync_files

PACKAGE = Path(__file__).parents[1] / "lth" / "client"
ASYNC, SYNC = PACKAGE / "_async", PACKAGE / "_sync"
NAMES = {
    "AsyncBaseTransport": "BaseTransport",
    "AsyncClient": "Client",
    "AsyncHTTPTransport": "HTTPTransport",
    "AsyncProvingTransport": "ProvingTransport",
    "AsyncRoutingTransport": "RoutingTransport",
    "_async": "_sync",
    "aclose": "close",
    "aconnect_sse": "connect_sse",
    "aiter_bytes": "iter_bytes",
    "aiter_sse": "iter_sse",
    "aread": "read",
    "async_pieces": "pieces",
    "asyncio": "time",
    "handle_async_request": "handle_request",
}
"""Names that unasync does not know. `asyncio.sleep` becomes `time.sleep`."""
EXAMPLE = re.compile(r"^ *(?:>>>|\.\.\.) .*$", re.MULTILINE)
"""A line of an example in a docstring, which unasync does not change."""
RUFF = [sys.executable, "-m", "ruff"]


def generate(folder: Path) -> dict[str, str]:
    """The generated files by name, made in `folder`, a folder in the repository."""
    files = sorted(ASYNC.glob("*.py"))
    rule = Rule(f"{ASYNC}/", f"{folder}/", NAMES)
    unasync_files([str(file) for file in files], [rule])
    for file in folder.glob("*.py"):
        file.write_text(EXAMPLE.sub(_synchronous, file.read_text()))
    fixes = ["--fix", "--unsafe-fixes", "--select", "I,UP028,UP034"]
    subprocess.run([*RUFF, "check", "--quiet", *fixes, folder], check=True)
    subprocess.run([*RUFF, "format", "--quiet", folder], check=True)
    return {file.name: (folder / file.name).read_text() for file in files}


def _synchronous(example: re.Match[str]) -> str:
    return re.sub(r"\b(await |async |Async(?=Client))", "", example[0])


def main() -> int:
    """Write the files, or compare them."""
    with tempfile.TemporaryDirectory(prefix="_", dir=PACKAGE) as folder:
        generated = generate(Path(folder))
    there = {file.name: file.read_text() for file in SYNC.glob("*.py")}
    if there == generated:
        return 0
    if "--check" in sys.argv:
        names = {name for name in there | generated if there.get(name) != generated.get(name)}
        print(f"{SYNC} is out of date ({', '.join(sorted(names))}): run tools/generate_client.py")
        return 1
    SYNC.mkdir(exist_ok=True)
    for name in there.keys() - generated.keys():
        (SYNC / name).unlink()
    for name, text in generated.items():
        (SYNC / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
