"""An API whose event loop is blocked ends, so that its supervisor starts another one."""

import os
import subprocess
import sys
from pathlib import Path

from service.settings import Settings
from service.stack.parts.valkey import free_port
from tests import ROOT
from tests.worker.rig import eventually

BLOCKED = """
import asyncio, sys, threading, time
from service.api import __main__ as api

started = api.WatchedServer.startup

async def startup(self, sockets=None):
    await started(self, sockets)
    loop = asyncio.get_running_loop()
    threading.Timer(1.0, loop.call_soon_threadsafe, [time.sleep, 1000]).start()

if sys.argv.pop(1) == "blocked":
    api.WatchedServer.startup = startup
api.main()
"""


def started(settings: Settings, tmp_path: Path, how: str) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "LTH_DATABASE_URL": settings.database_url,
        "LTH_BROKER_URL": settings.broker_url,
        "LTH_OBJECT_STORE_URL": settings.object_store_url,
        "LTH_WATCHDOG_SECONDS": "3",
    }
    command = [sys.executable, "-W", "ignore", "-c", BLOCKED, how, "--port", str(free_port())]
    with (tmp_path / f"{how}.log").open("wb") as log:
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)


def test_a_blocked_process_exits_and_a_healthy_one_does_not(
    settings: Settings, tmp_path: Path
) -> None:
    healthy = started(settings, tmp_path, "healthy")
    blocked = started(settings, tmp_path, "blocked")
    try:
        assert eventually(lambda: blocked.poll() is not None, 120)
        assert blocked.returncode == 70
        assert "did not answer for 3 s" in (tmp_path / "blocked.log").read_text()
        assert healthy.poll() is None
    finally:
        for process in (healthy, blocked):
            process.kill()
            process.wait()
