"""The body of a submission: a spec, and options of the job."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    TypeAdapter,
    ValidationError,
    field_validator,
)

from lth.core.field_errors import WrongField, wrong_fields
from lth.spec.checking import checked
from lth.spec.document import SPEC, Spec
from service.api.datasets.referring import filled_in
from service.api.http.documents import MOST_ERRORS, invalid, parse_json
from service.settings import POOL, Settings
from service.store.accounts.owners import NAME
from service.store.tables import StoredDataset


class Options(BaseModel):
    """Options of a job. They do not change its results."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    priority: int = Field(
        default=50, ge=0, le=100, description="higher starts earlier; waiting counts as well"
    )
    pool: str | None = Field(
        default=None,
        pattern=POOL,
        description="the pool of workers to run on, such as 'cpu' or 'gpu': one that the operator "
        "configured or that a worker has served; default: the service's",
    )
    team: str | None = Field(
        default=None,
        pattern=NAME,
        description="a team of yours that sees the job and reuses its results; null: only you; "
        "default: as the service is set up",
    )
    max_seconds: int | None = Field(
        default=None,
        ge=1,
        le=10**8,
        description="bound on the job: seconds on devices, over all its runs and attempts; what is "
        "not done by then fails as 'timeout', what is done is kept; default: none",
    )
    max_run_seconds: int | None = Field(
        default=None,
        ge=1,
        le=10**8,
        description="a run that takes longer fails as 'timeout'; default, and at most: the "
        "service's bound",
    )
    reuse: Literal["never", "if_finished"] = Field(
        default="never",
        description="'if_finished' answers with a finished job of yours or your team's that had "
        "the same spec",
    )
    webhook: HttpUrl | None = Field(
        default=None,
        description="an address that is called when the job ends, "
        "signed with the secret of GET /v1/webhook-secret",
    )

    @field_validator("webhook")
    @classmethod
    def _plain(cls, url: HttpUrl | None) -> HttpUrl | None:
        if url is not None and (url.username or url.password or url.fragment):
            raise ValueError("an address with a name, a password or a fragment is not called")
        return url


OPTIONS: TypeAdapter[Options] = TypeAdapter(Options)

EXAMPLES: dict[str, Any] = {
    "quickstart": {
        "summary": "one ticket on the digits",
        "value": {
            "kind": "model",
            "name": "quickstart",
            "dataset": "digits",
            "training": {
                "duration": "40ep",
                "optimizer": {"kind": "adam", "learning_rate": 3e-3},
            },
            "pruning": {"schedule": {"kind": "one_shot", "sparsity": 0.8}},
            "seed": 1,
        },
    },
    "session": {
        "summary": "a ticket and its control on the same network",
        "value": {
            "kind": "session",
            "experiments": [
                {"name": "ticket"},
                {"name": "random", "control": {"kind": "random_weights", "of": "ticket"}},
            ],
            "labels": {"project": "paper"},
            "priority": 60,
        },
    },
}


def _submission_schema() -> dict[str, Any]:
    schema = SPEC.json_schema()
    options = Options.model_json_schema()["properties"]
    for tag in schema["discriminator"]["mapping"].values():
        schema["$defs"][tag.rpartition("/")[2]]["properties"].update(options)
    return schema


SUBMISSION_SCHEMA = _submission_schema()


def read_submission(
    body: bytes,
    settings: Settings,
    find: Callable[[str], StoredDataset | None],
    wrong_names: Mapping[str, Callable[[str], WrongField | None]],
    check_memory: Callable[[Spec, str | None], None],
) -> tuple[Spec, Options]:
    """Read and validate a submission.

    Args:
        body: the body of the request.
        settings: bounds on the spec.
        find: looks up an uploaded data set that the submitter may use.
        wrong_names: for an option with a name, such as `pool`: returns the error for a name that
            may not be used.
        check_memory: raises `ValidationError` if runs need too much memory for a pool.

    Raises:
        MalformedBody: if it is not JSON.
        InvalidRequest: with all wrong fields.
    """
    document = parse_json(body)
    beside: dict[str, Any] = {}
    said = document
    if isinstance(document, dict):
        beside = {name: document[name] for name in Options.model_fields if name in document}
        said = {name: value for name, value in document.items() if name not in beside}
    said, wrong = filled_in(said, find)
    options = None
    spec, wrong_in_spec = checked(said, settings.limits, SUBMISSION_SCHEMA, MOST_ERRORS)
    wrong += wrong_in_spec
    try:
        options = OPTIONS.validate_python(beside)
    except ValidationError as error:
        wrong += wrong_fields(error, beside, Options.model_json_schema(), MOST_ERRORS)
    if options is not None and options.webhook is not None and not settings.signing_secret:
        wrong.append(
            WrongField("/webhook", "webhooks are not set up here: LTH_SIGNING_SECRET", None)
        )
    for option, wrong_name in wrong_names.items():
        name = beside.get(option)
        if isinstance(name, str) and all(field.pointer != f"/{option}" for field in wrong):
            unknown = wrong_name(name)
            wrong += [unknown] if unknown else []
    if spec is not None and options is not None:
        try:
            check_memory(spec, options.pool)
        except ValidationError as error:
            wrong += wrong_fields(error, said, SUBMISSION_SCHEMA, MOST_ERRORS)
    if wrong or spec is None or options is None:
        raise invalid(wrong)
    return spec, options
