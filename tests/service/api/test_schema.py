"""Generated requests, valid and invalid, get the answers that the OpenAPI document describes.

No answer is a 5xx, and none has a status, a type, a header or a shape that is not described.
"""

import re
import subprocess
import sys

import pytest
from pydantic import SecretStr

from service.settings import Settings
from tests.service.api.conftest import ADMIN, serving

pytestmark = pytest.mark.system

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)


@pytest.fixture
def unlimited(database_url, broker_url, object_store_url):
    settings = Settings(
        database_url=database_url,
        broker_url=broker_url,
        object_store_url=object_store_url,
        admin_key=SecretStr(ADMIN),
        rate_limit=None,
    )
    with serving(settings) as address:
        yield address


def cases_run(address: str, folder, phases: str, examples: int, seconds: float) -> int:
    """Run schemathesis against an API; return the number of its requests.

    Event streams are excluded, because those of unfinished jobs have no end.
    """
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{address}/openapi.json"),
        *("--header", f"Authorization: Bearer {ADMIN}"),
        *("--checks", ",".join(CHECKS)),
        *("--phases", phases, "--exclude-path-regex", "/events$"),
        *("--max-examples", str(examples), "--seed", "1", "--mode", "all"),
        *("--request-timeout", "20", "--no-color", "--generation-database", ":memory:"),
    ]
    run = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=seconds, check=False
    )
    assert run.returncode == 0, run.stdout[-6_000:] + run.stderr[-2_000:]
    found = re.search(r"(\d[\d,]*) generated", run.stdout)
    assert found, run.stdout[-2_000:]
    return int(found[1].replace(",", ""))


@pytest.mark.timeout(180)
def test_hundreds_of_requests_get_documented_answers(unlimited, tmp_path):
    assert cases_run(unlimited, tmp_path, "examples,fuzzing", examples=8, seconds=170) >= 200


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_thousands_of_requests_get_documented_answers(unlimited, tmp_path):
    phases = "examples,coverage,fuzzing"
    assert cases_run(unlimited, tmp_path, phases, examples=100, seconds=1_700) >= 2_000
