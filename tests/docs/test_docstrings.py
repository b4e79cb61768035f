"""Runs the examples in the docstrings of both clients, with a running service."""

import ast
import asyncio
import doctest
import inspect
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lth
from lth.client import AsyncClient, Client, Job, requests
from lth.client.errors import Conflict
from tests.e2e.lth_up import LocalStack
from tests.service.api.test_dataset_formats import csv

pytestmark = pytest.mark.system

SPEC = "kind: model\nname: example\nlabels: {paper: icml}\ntraining: {duration: 2ep}\n"
SAME = doctest.OutputChecker()
LOOSELY = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
MODULES = {"lth": lth, "numpy": np, "pandas": pd}
PARSER = doctest.DocTestParser()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    stack = LocalStack(tmp_path_factory.mktemp("stack"))
    stack.start()
    yield stack
    stack.stop()


@pytest.fixture(scope="module")
def key(service: LocalStack) -> str:
    return service.place.make_admin_key()


@pytest.fixture(scope="module")
def job(service: LocalStack, key: str, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """The job of the examples; its owner is a member of the team vision."""
    file = tmp_path_factory.mktemp("job") / "spec.yaml"
    file.write_text(SPEC)
    with Client(service.running.server, key) as client:
        job = client.wait(client.submit(file).id, timeout=200)
        client.send(requests.put_team("vision", {}))
        client.send(requests.add_member("vision", job.owner))
        return job


def _examples(kind: type) -> Iterator[Any]:
    members = inspect.getmembers(kind, inspect.isfunction)
    for name, member in [("", kind), *members]:
        if name[:1] != "_" and member.__doc__:
            label = f"{kind.__name__}.{name}".rstrip(".")
            yield pytest.param(kind, PARSER.get_examples(member.__doc__), id=label)


async def _run(example: doctest.Example, names: dict[str, Any]) -> str:
    """Run an example as the notebook does, which awaits at the top level; return its output."""
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code = compile(example.source, "<example>", "single", flags)
    printed = StringIO()
    with redirect_stdout(printed):
        running = eval(code, names)
        if inspect.iscoroutine(running):
            await running
    return printed.getvalue()


@pytest.mark.parametrize(("kind", "examples"), [*_examples(Client), *_examples(AsyncClient)])
def test_the_examples_of_a_client_do_what_they_say(
    kind: type,
    examples: list[doctest.Example],
    service: LocalStack,
    key: str,
    job: Job,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LTH_SERVER", service.running.server)
    monkeypatch.setenv("LTH_API_KEY", key)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spec.yaml").write_text(SPEC)
    (tmp_path / "flowers.csv").write_bytes(csv(label="species"))
    assert examples

    async def run() -> None:
        client = kind()
        names = {kind.__name__: kind, "client": client, "job": job, **MODULES}
        try:
            for example in examples:
                printed = await _run(example, names)
                told = f"{example.source}printed {printed!r}, not {example.want!r}"
                assert SAME.check_output(example.want, printed, LOOSELY), told
        finally:
            if inspect.iscoroutine(closing := client.close()):
                await closing

    try:
        asyncio.run(run())
    finally:
        _cancel_the_rest(service, key)


def _cancel_the_rest(service: LocalStack, key: str) -> None:
    with Client(service.running.server, key) as client:
        for one in client.jobs(states=["queued", "running"]):
            try:
                client.cancel(one.id)
            except Conflict:  # it has just finished
                continue
