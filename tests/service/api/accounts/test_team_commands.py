"""The commands for teams, against a real service: three keys in two teams."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT
from tests.service.api.conftest import ADMIN

SPEC = "kind: model\nname: lenet\ntraining: {duration: 2ep}\n"


class People:
    """Runs the command line with the keys of several owners."""

    def __init__(self, address: str, folder: Path) -> None:
        self._address = address
        self._folder = folder
        self._keys = {"admin": ADMIN}

    def run(self, owner: str, *words: object, code: int = 0) -> str:
        """Run a command; return its standard output, or its errors if it fails as expected."""
        environment = {
            **os.environ,
            "LTH_SERVER": self._address,
            "LTH_API_KEY": self._keys[owner],
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "200",
        }
        done = subprocess.run(
            [sys.executable, "-m", "lth.cli", *map(str, words)],
            env=environment,
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done.stdout.strip() if code == 0 else done.stderr

    def add(self, owner: str, team: str, role: str = "member") -> None:
        self._keys[owner] = self.run("admin", "keys", "new", owner, "--role", role)
        self.run("admin", "teams", "set", team)
        self.run("admin", "teams", "add", team, owner)


@pytest.fixture
def people(address: str, tmp_path: Path) -> People:
    (tmp_path / "spec.yaml").write_text(SPEC)
    found = People(address, tmp_path)
    for owner, team in [("ann", "vision"), ("bob", "vision"), ("cyd", "speech")]:
        found.add(owner, team)
    return found


def ids(people: People, owner: str, *filters: str) -> list[str]:
    return [job["id"] for job in json.loads(people.run(owner, "list", "--json", *filters))["jobs"]]


def test_a_job_is_shared_with_a_team_and_made_private_again(people: People) -> None:
    job = people.run("ann", "submit", "spec.yaml", "--team", "vision")
    assert ids(people, "bob") == ids(people, "bob", "--team", "vision") == [job]
    assert ids(people, "bob", "--mine") == ids(people, "cyd") == []
    assert "lenet" in people.run("bob", "show", "lenet")
    assert "only 'ann' and administrators" in people.run("bob", "cancel", job, code=4)
    assert "there is no job" in people.run("cyd", "show", job, code=4)

    people.run("ann", "share", job, "--private")
    assert ids(people, "bob") == []
    people.run("ann", "share", job, "vision")
    assert ids(people, "bob") == [job]

    table = people.run("bob", "queue")
    assert job[:20] in table
    assert "ann" in table
    assert "(others)" in people.run("cyd", "queue")


def test_teams_are_listed_with_members_and_quota(people: People) -> None:
    people.run("admin", "teams", "set", "vision", "--weight", 2, "--max-running", 3)
    people.run("admin", "teams", "add", "speech", "bob", "--home")
    table = people.run("ann", "teams", "list")
    assert "ann, bob*" in table
    assert "0 of 3" in table
    assert "speech" not in table
    people.run("admin", "teams", "remove", "speech", "cyd")
    people.run("admin", "teams", "remove", "speech", "bob")
    people.run("admin", "teams", "delete", "speech")
    assert "still has members" in people.run("admin", "teams", "delete", "vision", code=4)
    assert "role 'admin'" in people.run("ann", "teams", "set", "mine", code=4)


def test_wrong_words_are_refused_before_anything_is_sent(people: People) -> None:
    job = people.run("ann", "submit", "spec.yaml")
    assert "either a team or --private" in people.run("ann", "share", job, code=2)
    assert "exclude" in people.run(
        "ann", "submit", "spec.yaml", "--team", "vision", "--private", code=2
    )
    refused = people.run("ann", "submit", "spec.yaml", "--team", "speech", code=3)
    assert "/team: 'ann' is no member of this team" in refused
    assert "'vision' or null" in refused
