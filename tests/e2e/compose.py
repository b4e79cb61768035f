"""Reads docker-compose.yml as Compose does, for tests without Docker."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests import ROOT

FILE = ROOT / "docker-compose.yml"

_VARIABLE = re.compile(r"\$\{(\w+)(?:(:[-?])([^}]*))?\}")


@dataclass(frozen=True)
class Service:
    """A service built from this repository: its command and its environment."""

    name: str
    target: str
    command: list[str]
    environment: dict[str, str]


def compose(variables: Mapping[str, str]) -> dict[str, Any]:
    """The file with its variables filled in.

    Raises:
        ValueError: when a variable that must be set is not.
    """

    def value(match: re.Match[str]) -> str:
        name, how, rest = match.groups()
        found = variables.get(name, "")
        if not found and how == ":?":
            raise ValueError(f"{name}: {rest}")
        return found or (rest or "" if how == ":-" else "")

    return yaml.safe_load(_VARIABLE.sub(value, FILE.read_text()))


def services(variables: Mapping[str, str]) -> dict[str, Service]:
    """The services that are built from this repository."""
    return {
        name: Service(name, said["build"]["target"], said["command"], said["environment"])
        for name, said in compose(variables)["services"].items()
        if "build" in said and "command" in said
    }


def env_file(path: Path) -> dict[str, str]:
    """The variables of a ``.env`` file."""
    lines = [line for line in path.read_text().splitlines() if line and line[0] != "#"]
    return dict(line.split("=", 1) for line in lines)
