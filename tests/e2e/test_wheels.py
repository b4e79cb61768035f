"""The two wheels: what they contain, what they depend on, and what works without extras.

Each environment holds one or both wheels, and links to the packages that their metadata ask for.
"""

import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import Distribution, distribution
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests import ROOT

pytestmark = pytest.mark.system

OURS = {"lth": ROOT, "lth-service": ROOT / "packages" / "lth-service"}
SERVERS = ("up", "api", "worker", "beat", "migrate", "backup", "restore", "verify")


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both wheels by the name of their distribution."""
    built = {}
    for name, project in OURS.items():
        folder = tmp_path_factory.mktemp(name)
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
        subprocess.run(command, cwd=project, check=True, capture_output=True)
        (built[name],) = folder.iterdir()
    return built


def top_level(wheel: Path) -> set[str]:
    with ZipFile(wheel) as file:
        tops = {name.partition("/")[0] for name in file.namelist()}
    return {name for name in tops if not name.endswith(".dist-info")}


def metadata(wheel: Path, folder: Path) -> Distribution:
    with ZipFile(wheel) as file:
        file.extractall(folder)
        (info,) = {name.partition("/")[0] for name in file.namelist() if ".dist-info/" in name}
    return Distribution.at(folder / info)


class Environment:
    """A Python environment with some of the wheels and what they require, and nothing else."""

    def __init__(self, folder: Path, wheels: dict[str, Path], wanted: Sequence[str]) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        (self.site,) = folder.glob("lib/python*/site-packages")
        self.bin = folder / "bin"
        self.packages: set[str] = set()
        found: dict[str, Distribution] = {}
        missing = [Requirement(text) for text in wanted]
        while missing:
            asked = missing.pop()
            name = canonicalize_name(asked.name)
            key = f"{name}[{','.join(sorted(asked.extras))}]"
            if key in self.packages:
                continue
            self.packages.add(key)
            if name not in found:
                found[name] = (
                    metadata(wheels[name], self.site) if name in wheels else distribution(name)
                )
                if name not in wheels:
                    self._link(found[name])
            for line in found[name].requires or ():
                needed = Requirement(line)
                marker = needed.marker
                if marker is None or any(
                    marker.evaluate({"extra": extra}) for extra in ("", *asked.extras)
                ):
                    missing.append(needed)
        self.names = {key.partition("[")[0] for key in self.packages}

    def _link(self, found: Distribution) -> None:
        for top in {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}:
            if not top.endswith(".pth") and not (self.site / top).exists():
                (self.site / top).symlink_to(str(found.locate_file(top)))

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run ``python WORDS`` in this environment alone."""
        return subprocess.run(
            [self.bin / "python", *words],
            env={"PATH": "/usr/bin:/bin", "LTH_DATA_DIR": str(self.site / "nothing")},
            cwd=self.bin,
            capture_output=True,
            text=True,
            timeout=200,
        )

    def lth(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run ``lth WORDS``."""
        return self.run("-m", "lth.cli", *words)


@pytest.fixture(scope="module")
def base(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """``pip install lth``."""
    return Environment(tmp_path_factory.mktemp("base"), wheels, ["lth"])


@pytest.fixture(scope="module")
def notebook(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """``pip install 'lth[notebook]'``."""
    return Environment(tmp_path_factory.mktemp("notebook"), wheels, ["lth[notebook]"])


@pytest.fixture(scope="module")
def service(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """``pip install lth-service``."""
    return Environment(tmp_path_factory.mktemp("service"), wheels, ["lth-service"])


def test_each_wheel_installs_its_own_packages_and_nothing_else(wheels: dict[str, Path]) -> None:
    assert top_level(wheels["lth"]) == {"lth"}
    assert top_level(wheels["lth-service"]) == {"service", "worker", "migrations"}


def test_the_wheel_of_the_service_has_the_migrations(wheels: dict[str, Path]) -> None:
    with ZipFile(wheels["lth-service"]) as file:
        packed = {name for name in file.namelist() if name.startswith("migrations/versions/")}
    assert packed == {
        f"migrations/versions/{path.name}" for path in (ROOT / "migrations/versions").glob("*.py")
    }


def test_a_base_install_needs_no_server_and_no_tensorflow(base: Environment) -> None:
    heavy = {"fastapi", "tensorflow", "keras", "sqlalchemy", "celery", "matplotlib", "psycopg"}
    assert base.names.isdisjoint(heavy)
    done = base.run("-c", "import lth; from lth.client import AsyncClient, Client; print(lth.plan)")
    assert done.returncode == 0, done.stderr


def test_a_notebook_needs_no_server(notebook: Environment) -> None:
    assert {"tensorflow", "matplotlib"} <= notebook.names
    assert notebook.names.isdisjoint({"fastapi", "celery", "psycopg", "sqlalchemy"})
    done = notebook.run("-c", "from lth import LotteryModel, LotteryRobust, LotterySession")
    assert done.returncode == 0, done.stderr


def test_a_base_install_names_the_missing_notebook_extra(base: Environment) -> None:
    done = base.run("-c", "from lth import LotteryModel")
    assert done.returncode == 1
    assert "pip install 'lth[notebook]'" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("command", [(), ("submit",), ("up",), ("keys", "new")])
def test_commands_of_a_base_install_explain_themselves(
    base: Environment, command: tuple[str, ...]
) -> None:
    done = base.lth(*command, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


@pytest.mark.parametrize("command", SERVERS)
def test_server_commands_name_the_package_to_install(base: Environment, command: str) -> None:
    done = base.lth(command, "--port", "1")
    assert done.returncode == 6
    assert "pip install 'lth-service[" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_command_without_a_service_explains_how_to_start_one(base: Environment) -> None:
    done = base.lth("list")
    assert done.returncode == 5
    assert "lth up" in done.stderr
    assert "LTH_SERVER" in done.stderr
    assert "Traceback" not in done.stderr


def test_lth_service_adds_the_commands_of_servers(service: Environment) -> None:
    done = service.lth("--help")
    assert done.returncode == 0, done.stderr
    for command in SERVERS:
        shown = service.lth(command, "--help")
        assert shown.returncode == 0, shown.stderr
        assert "lth-service" not in shown.stdout
    assert service.run("-c", "import service.api.app, migrations").returncode == 0


def test_up_says_which_extra_to_install(service: Environment) -> None:
    done = service.lth("up")
    assert done.returncode == 6, done.stderr
    assert "pip install 'lth-service[local]'" in done.stderr
