"""All settings and commands in docs/operations.md exist."""

import re

import typer.main

from lth.cli.main import app
from lth.core.limits import Limits
from service.settings import Settings
from tests import ROOT
from tests.e2e.compose import FILE, env_file

PAGE = (ROOT / "docs" / "operations.md").read_text()


def test_every_variable_of_the_page_is_a_setting() -> None:
    client = {"LTH_SERVER", "LTH_API_KEY"}
    compose = set(env_file(FILE.with_name(".env.example")))
    settings = {f"LTH_{name.upper()}" for name in Settings.model_fields}
    settings |= {f"LTH_LIMITS__{name.upper()}" for name in Limits.model_fields}
    named = set(re.findall(r"LTH_[A-Z_]+[A-Z]", PAGE)) - {"LTH_OBJECT_STORE"}
    assert named <= settings | compose | client


def test_every_command_of_the_page_exists() -> None:
    root = typer.main.get_command(app)
    for line in re.findall(r"(?:`| {4}|; )(lth [a-z][^`#;\n]*)", PAGE):
        command, words = root, line.split()[1:]
        for word in words:
            if not hasattr(command, "commands"):
                break
            assert word in command.commands, line
            command = command.commands[word]
        options = {name for parameter in command.params for name in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, line
