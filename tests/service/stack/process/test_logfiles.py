"""The logs of a stack are bounded."""

import stat
import subprocess
import sys
from pathlib import Path

from service.stack.process.group import Child, Group
from service.stack.process.logfiles import KEPT, rotate
from service.stack.process.supervisor import Part, Supervisor
from tests.worker.rig import eventually

_TALK = """
import sys
for number in range(300_000):
    print(f"line {number:06} " + "x" * 80, flush=True)
print("the end", flush=True)
sys.stdin.read()
"""


def test_a_large_log_is_rotated_and_the_oldest_is_deleted(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    assert not rotate(log)
    log.write_text("short")
    assert not rotate(log, most_bytes=5)
    for number in range(KEPT + 3):
        log.write_text(f"log {number}")
        assert rotate(log, most_bytes=4)
        assert log.read_text() == ""
    kept = {file.name: file.read_text() for file in tmp_path.iterdir()}
    last = KEPT + 2
    assert kept == {
        "api.log": "",
        **{f"api.log.{number}": f"log {last + 1 - number}" for number in range(1, KEPT + 1)},
    }
    assert stat.S_IMODE((tmp_path / "api.log.1").stat().st_mode) == 0o600


def test_a_process_continues_at_the_start_of_a_truncated_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", "import sys\nfor line in sys.stdin: print(line, flush=True)"],
            stdin=subprocess.PIPE,
            stdout=output,
            text=True,
        )
    with process:
        assert process.stdin
        process.stdin.write("first\n")
        process.stdin.flush()
        eventually(lambda: "first" in log.read_text(), 60)
        assert rotate(log, most_bytes=1)
        process.stdin.write("second\n")
        process.stdin.close()
    assert log.read_bytes().split() == [b"second"]


def test_the_supervisor_rotates_the_log_of_a_verbose_process(tmp_path: Path) -> None:
    log = tmp_path / "log"
    said: list[str] = []
    with Group() as group:

        def start() -> Child:
            return group.spawn(
                "talker", [sys.executable, "-c", _TALK + "\nimport time\ntime.sleep(600)"], log
            )

        supervisor = Supervisor(group, said.append)
        child = supervisor.start(Part("talker", start, lambda child: None))
        supervisor.watch(until=lambda: log.with_name("log.1").exists())
        assert child.returncode() is None
    assert log.with_name("log.1").stat().st_size > 10_000_000
