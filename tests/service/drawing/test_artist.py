"""The API's side of drawing, against a process that answers, hangs, or dies."""

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest

from service.drawing.artist import Artist, DrawingFailed, NotDrawnNow
from service.drawing.messages import Order

STAND_IN = """
import sys, time, json, os
from service.drawing.messages import read, write
while True:
    try:
        message = read(sys.stdin.buffer)
    except EOFError:
        break
    match json.loads(message["order"])["picture"]:
        case "slow": time.sleep(60)
        case "dies": os._exit(1)
        case "wrong": write(sys.stdout.buffer, {"error": b"ValueError: no"})
        case _: write(sys.stdout.buffer, {"png": message["file"], "pid": str(os.getpid()).encode()})
"""
COMMAND = (sys.executable, "-c", STAND_IN)


@pytest.fixture
def artist() -> Iterator[Artist]:
    artist = Artist(seconds=200, places=3, command=COMMAND)
    yield artist
    artist.close()


def order(picture: str) -> Order:
    return Order(picture=picture, formats=("png",), of_job=False, spec={}, results=())


async def draw(artist: Artist, picture: str = "quick", content: bytes = b"x") -> dict[str, bytes]:
    return await artist.draw(order(picture), lambda: {"file": content})


async def test_a_large_file_goes_there_and_back(artist: Artist) -> None:
    content = bytes(range(256)) * 40_000
    assert (await draw(artist, content=content))["png"] == content


async def test_one_process_draws_everything(artist: Artist) -> None:
    drawn = [await draw(artist) for _ in range(3)]
    assert len({one["pid"] for one in drawn}) == 1


async def test_more_than_there_are_places_for_is_refused_at_once(artist: Artist) -> None:
    answers = await asyncio.gather(*(draw(artist) for _ in range(5)), return_exceptions=True)
    assert [isinstance(answer, NotDrawnNow) for answer in answers] == [False] * 3 + [True] * 2
    assert (await draw(artist))["png"] == b"x"


async def test_a_drawing_that_takes_too_long_is_ended_and_the_next_one_begins_anew(
    artist: Artist, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await draw(artist)
    with monkeypatch.context() as hasty:
        hasty.setattr(artist, "_seconds", 0.2)
        with pytest.raises(NotDrawnNow, match=r"'slow' was broken off; it may take 0\.2 s"):
            await draw(artist, "slow")
    after = await draw(artist)
    assert after["png"] == b"x"
    assert after["pid"] != before["pid"]


async def test_a_process_that_dies_is_replaced(artist: Artist) -> None:
    before = (await draw(artist))["pid"]
    with pytest.raises(NotDrawnNow):
        await draw(artist, "dies")
    between = psutil.Process(int((await draw(artist))["pid"]))
    between.kill()
    between.wait(60)
    assert len({before, str(between.pid).encode(), (await draw(artist))["pid"]}) == 3


async def test_what_cannot_be_drawn_says_why_and_the_process_goes_on(artist: Artist) -> None:
    before = await draw(artist)
    with pytest.raises(DrawingFailed, match="'wrong' cannot be drawn: ValueError: no"):
        await draw(artist, "wrong")
    assert await draw(artist) == before


async def test_files_that_cannot_be_read_are_the_readers_own_error(artist: Artist) -> None:
    def gather() -> dict[str, bytes]:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        await artist.draw(order("quick"), gather)


async def test_closing_ends_the_process_in_the_middle_of_a_drawing() -> None:
    artist = Artist(seconds=200, places=3, command=COMMAND)
    process = psutil.Process(int((await draw(artist))["pid"]))
    begun = threading.Event()

    def gather() -> dict[str, bytes]:
        begun.set()
        return {}

    slow = asyncio.create_task(artist.draw(order("slow"), gather))
    assert await asyncio.to_thread(begun.wait, 60)
    await asyncio.sleep(0.2)
    await asyncio.to_thread(artist.close)
    with pytest.raises(NotDrawnNow):
        await slow
    assert not process.is_running()


def test_the_drawing_process_ends_with_the_one_that_started_it() -> None:
    program = """
import asyncio, os, signal, time
from lth.results.artifacts import LAYERS
from service.drawing.artist import Artist
from service.drawing.messages import Order
from tests.service.api.finished import result
results = (result("ticket", 1).model_dump(mode="json"),)
order = Order(picture=LAYERS, formats=("png",), of_job=False, spec={"kind": "model"},
    results=results)
artist = Artist(seconds=200, places=1)
drawn = asyncio.run(artist.draw(order, dict))
assert drawn["png"].startswith(b"\\x89PNG")
print(artist._process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with suppress(psutil.NoSuchProcess):
        psutil.Process(int(done.stdout)).wait(60)
    assert not psutil.pid_exists(int(done.stdout))


def test_a_drawing_process_that_is_idle_ends_and_gives_its_memory_back() -> None:
    program = "import service.drawing.__main__ as it; it._IDLE_SECONDS = 0.1; it.main()"
    process = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE)
    assert process.stdin is not None
    with process.stdin:
        assert process.wait(60) == 0
