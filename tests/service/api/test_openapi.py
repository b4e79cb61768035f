"""The OpenAPI document describes the whole API."""

import json

import pytest
from fastapi import FastAPI
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from lth.spec.document import parse_spec
from service.api.app import create_app
from service.api.jobs.submission import EXAMPLES, read_submission
from service.settings import Settings


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return create_app(Settings())


@pytest.fixture(scope="module")
def document(app) -> dict:
    return app.openapi()


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_the_document_is_valid(document):
    validate(document)


def test_every_error_is_described_as_a_problem(document):
    for name, operation in operations(document):
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                assert list(response["content"]) == ["application/problem+json"], (name, status)
                schema = response["content"]["application/problem+json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Problem"}, (name, status)


def test_every_operation_has_a_summary_and_a_description(document):
    for name, operation in operations(document):
        assert operation["summary"], name
        assert operation["description"], name


def test_a_generated_client_has_short_names(document):
    ids = [operation["operationId"] for _, operation in operations(document)]
    assert len(set(ids)) == len(ids)
    assert {"submit_job", "list_jobs", "fetch_masks"} <= set(ids)
    assert [name for name in document["components"]["schemas"] if "_" in name] == []


def test_a_submission_returns_a_job_and_a_validation_returns_a_plan(document):
    def answer(status: str) -> dict:
        responses = document["paths"]["/v1/jobs"]["post"]["responses"]
        return responses[status]["content"]["application/json"]["schema"]

    job = {"$ref": "#/components/schemas/SubmittedJob"}
    assert answer("202") == job
    assert answer("200")["anyOf"] == [job, {"$ref": "#/components/schemas/Plan"}]


def test_the_location_of_a_new_resource_is_described(document):
    for path, status in (("/v1/jobs", "202"), ("/v1/datasets", "201")):
        created = document["paths"][path]["post"]["responses"][status]
        assert created["headers"]["Location"]["schema"] == {"type": "string"}
        assert created["content"]["application/json"]["schema"]["$ref"], path


def test_every_429_answer_describes_the_rate_limit(document):
    for name, operation in operations(document):
        for problem in operation["responses"].get("429", {}).get("content", {}).values():
            assert "too-many-requests" in problem["examples"], name


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_are_accepted(name):
    body = json.dumps(EXAMPLES[name]["value"]).encode()
    spec, options = read_submission(body, Settings(), lambda _: None, {}, lambda *_: None)
    assert parse_spec(spec.model_dump(mode="json")) == spec
    assert options.reuse == "never"


def test_the_catalogue_lists_all_kinds_of_the_submission_schema(document, api):
    schemas = document["components"]["schemas"]
    kinds = {
        schema["properties"]["kind"]["const"]
        for schema in schemas.values()
        if "const" in schema.get("properties", {}).get("kind", {})
    }
    listed = {
        entry["kind"] for family in api.get("/v1/catalogue").json().values() for entry in family
    }
    assert listed == kinds - {"model", "session", "robust"}


LINEAR = {"kind": "linear", "units": 10}
SHORT: list[dict] = [
    {"kind": "model", "dataset": "mnist", "network": "conv-2"},
    {"kind": "model", "pruning": {"criterion": "lfss", "scope": "global"}},
    {"kind": "model", "reinit": "random", "training": {"decay": "cosine"}},
    {"kind": "model", "network": {"kind": "layers", "layers": ["flatten", LINEAR]}},
]


@pytest.mark.parametrize("spec", SHORT)
def test_the_schema_allows_a_bare_kind_for_a_member(document, spec):
    schema = {"$ref": "#/components/schemas/Submission", "components": document["components"]}
    assert parse_spec(spec)
    Draft202012Validator(schema).validate(spec)
