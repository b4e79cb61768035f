"""docker-compose.yml: the same commands with the same environment, without Docker.

Postgres and Valkey are those of the tests, the S3 dialect is spoken by moto's server; the names of
hosts are mapped to where these really are.
"""

import os
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import gettempdir
from uuid import uuid4

import boto3
import pytest
from moto.server import ThreadedMotoServer

from lth.client import Client
from lth.client.tokens import new_token
from service.stack.parts.postgres import Postgres
from service.stack.parts.valkey import free_port
from service.stack.process.group import Child, Group
from tests.e2e.compose import FILE, Service, compose, env_file, services
from tests.parts import Parts

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

EXAMPLE = FILE.with_name(".env.example")
_HOSTS = re.compile(r"@postgres:5432/lth|@broker:6379|http://object-store:8333")


@pytest.fixture(scope="module")
def variables() -> dict[str, str]:
    """A `.env` with test secrets."""
    chosen = {name: secrets.token_hex(16) for name in env_file(EXAMPLE)}
    return {**chosen, "LTH_ADMIN_KEY": new_token(), "LTH_LISTEN": "", "LTH_DATASETS": ""}


class Rehearsal:
    """Starts the services of the file on this machine."""

    def __init__(
        self, group: Group, folder: Path, variables: dict[str, str], hosts: dict[str, str]
    ) -> None:
        self._group = group
        self._folder = folder
        self._services = services(variables)
        self._hosts = hosts

    def environment(self, name: str) -> dict[str, str]:
        """The environment of a service, with replaced host names."""
        said = self._services[name].environment
        mapped = {
            key: _HOSTS.sub(lambda host: self._hosts[host[0]], value) for key, value in said.items()
        }
        health = self._folder / "health"
        health.mkdir(exist_ok=True)
        own = {
            "LTH_WORKER_PROCESSES": "1",
            "TMPDIR": gettempdir(),
            "LTH_HEALTH_DIR": str(health),
        }
        return {**os.environ, **mapped, **own}

    def start(self, name: str, *, port: int | None = None) -> Child:
        """Start a service."""
        command = [sys.executable, "-m", "lth.cli", *self._services[name].command[1:]]
        if port is not None:
            command[command.index("--port") + 1] = str(port)
        env = self.environment(name)
        return self._group.spawn(name, command, self._folder / f"{name}.log", env=env)


@pytest.fixture(scope="module")
def rehearsal(
    postgres: Postgres,
    own_parts: Parts,
    variables: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Rehearsal]:
    name = f"compose_{uuid4().hex}"
    postgres.create_database(name)
    storage = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    storage.start()
    endpoint = f"http://127.0.0.1:{storage.get_host_and_port()[1]}"
    boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
    ).create_bucket(Bucket="lth")
    with own_parts.valkey(password=variables["LTH_BROKER_PASSWORD"]) as valkey, Group() as group:
        hosts = {
            "@postgres:5432/lth": f"@/{name}?host={postgres.sockets}",
            "@broker:6379": f"@127.0.0.1:{valkey.port}",
            "http://object-store:8333": endpoint,
        }
        yield Rehearsal(group, tmp_path_factory.mktemp("compose"), variables, hosts)
    storage.stop()
    postgres.drop_database(name)


def test_the_example_names_every_variable_and_no_other() -> None:
    used = set(re.findall(r"\$\{(\w+)", FILE.read_text()))
    assert set(env_file(EXAMPLE)) == used


OPTIONAL = {"LTH_LISTEN", "LTH_DATASETS"} | {
    name for name in env_file(EXAMPLE) if name.endswith("_MEMORY")
}
SECRETS = set(env_file(EXAMPLE)) - OPTIONAL
NEEDED = {
    "migrate": {"LTH_DATABASE_PASSWORD"},
    "api": SECRETS,
    "beat": SECRETS - {"LTH_ADMIN_KEY"},
    "worker": SECRETS - {"LTH_ADMIN_KEY", "LTH_SIGNING_SECRET"},
    "worker-gpu": SECRETS - {"LTH_ADMIN_KEY", "LTH_SIGNING_SECRET"},
    "postgres": {"LTH_DATABASE_PASSWORD"},
    "broker": {"LTH_BROKER_PASSWORD"},
    "object-store": {"LTH_OBJECT_STORE_KEY", "LTH_OBJECT_STORE_SECRET"},
}
"""The secrets that each service needs, and no other."""


@pytest.mark.parametrize("name", NEEDED)
def test_a_service_gets_only_the_secrets_that_it_needs(
    name: str, variables: dict[str, str]
) -> None:
    said = str(compose(variables)["services"][name])
    assert {secret for secret in SECRETS if variables[secret] in said} == NEEDED[name]


def test_services_read_no_environment_file_except_settings_env(variables: dict[str, str]) -> None:
    for name, said in compose(variables)["services"].items():
        files = [one["path"] for one in said.get("env_file", ())]
        assert files in ([], ["settings.env"]), name


def test_containers_are_confined(variables: dict[str, str]) -> None:
    for name, said in compose(variables)["services"].items():
        assert said["cap_drop"] == ["ALL"], name
        assert said["read_only"] is True, name
        assert said["mem_limit"], name
        assert said["pids_limit"] > 0, name
        assert "image" in said or not said.get("cap_add"), name


def test_every_long_running_process_has_a_health_check(variables: dict[str, str]) -> None:
    for name, said in compose(variables)["services"].items():
        assert (name == "migrate") == ("healthcheck" not in said), name


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_every_secret_is_required(name: str, variables: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=name):
        compose({**variables, name: ""})


def test_every_target_is_in_the_dockerfile_and_none_runs_as_root(variables: dict[str, str]) -> None:
    stages = FILE.with_name("Dockerfile").read_text().split("\nFROM ")
    users = {stage.split()[2]: "\nUSER lth\n" in stage for stage in stages if " AS " in stage[:80]}
    targets = {service.target for service in services(variables).values()}
    assert targets == {"api", "worker-cpu", "worker-gpu"}
    assert all(users[target] for target in targets)


def test_only_the_api_is_published_and_our_containers_gain_no_privileges(
    variables: dict[str, str],
) -> None:
    said = compose(variables)["services"]
    assert [name for name, service in said.items() if "ports" in service] == ["api"]
    for name, service in said.items():
        assert "no-new-privileges:true" in service["security_opt"], name


def test_third_party_images_are_pinned_to_a_version(variables: dict[str, str]) -> None:
    images = [one["image"] for one in compose(variables)["services"].values() if "image" in one]
    assert len(images) == 3
    assert all(re.search(r":\d", image) for image in images)


def test_logs_of_containers_are_bounded(variables: dict[str, str]) -> None:
    for name, said in compose(variables)["services"].items():
        assert said["logging"]["options"].keys() == {"max-size", "max-file"}, name


@pytest.mark.parametrize("name", ["migrate", "api", "beat", "worker"])
def test_no_service_starts_with_example_secrets(name: str) -> None:
    service: Service = services(env_file(EXAMPLE))[name]
    done = subprocess.run(
        [sys.executable, "-m", "lth.cli", *service.command[1:]],
        env={**os.environ, **service.environment},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode != 0
    assert "holds a secret from an example" in done.stdout + done.stderr


def test_a_job_runs_on_the_composed_services(
    rehearsal: Rehearsal, variables: dict[str, str], tmp_path: Path
) -> None:
    migrate = rehearsal.start("migrate")
    assert migrate.process.wait(300) == 0, migrate.tail()
    port = free_port()
    api, beat, worker = (
        rehearsal.start("api", port=port),
        rehearsal.start("beat"),
        rehearsal.start("worker"),
    )
    check = compose(variables)["services"]["api"]["healthcheck"]["test"][1:]
    check = [sys.executable, *(word.replace(":8000", f":{port}") for word in check[1:])]
    healthy = lambda: subprocess.run(check, capture_output=True).returncode == 0  # noqa: E731
    api.wait_until(healthy, 300, every=0.5)
    with Client(f"http://127.0.0.1:{port}", variables["LTH_ADMIN_KEY"]) as client:
        job = client.submit({"kind": "model", "training": {"duration": "2ep"}})
        assert client.wait(job.id).state == "succeeded", worker.tail()
        (masks,) = [one for one in client.artifacts(job.id) if one.name.endswith("masks.npz")]
        assert client.download(masks, tmp_path).stat().st_size == masks.size
    assert beat.returncode() is None, beat.tail()
    for name in ("beat", "worker"):
        test = compose(variables)["services"][name]["healthcheck"]["test"]
        command = [sys.executable, *test[2:]]
        env = rehearsal.environment(name)
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert worker.stop(signal.SIGTERM, 45), "the worker does not stop within its grace period"
