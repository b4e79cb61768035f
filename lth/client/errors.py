"""The errors of the client.

ClientError
├── Unreachable          no response after all attempts
│   └── NoAddress            no address is set, and no local stack runs
├── BadDocument          the file of a spec is not a mapping of plain data
├── NotTheService        a response that is not from this service
├── DamagedDownload      the bytes of a file have another SHA-256
├── JobNotSucceeded      the job failed or was cancelled
├── NotFinished          the job is not finished in time
└── Refused              the service refused, with a problem document (RFC 9457)
    ├── NotAuthenticated     401  no key, or a wrong one
    ├── NotAllowed           403  the role of the key does not allow it
    ├── NotFound             404  it does not exist, or belongs to another owner
    ├── Conflict             409  not possible in the current state; also 422 for an idempotency key
    │                             that was used with another document
    ├── Invalid              400, 413, 415, 422  the document is wrong; `wrong` lists the fields
    ├── TooManyRequests      429  the rate limit or the quota is exceeded
    └── ServiceFailed        5xx  an error of the service, or a part of it is unavailable
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import httpx

from lth.client.proxies import proxy_for
from lth.core.secrets import hidden

_KEY_USED_BEFORE = "urn:lth:problem:idempotency-mismatch"


class ClientError(Exception):
    """Base of the client's errors. The message contains no secret of this process."""

    def __init__(self, message: str) -> None:
        super().__init__(hidden(message))


class Unreachable(ClientError):
    """No response after all attempts."""


class NoAddress(Unreachable):
    """No address of a service is set, and no local stack runs."""


class NotTheService(ClientError):
    """The response is not from this service."""


class DamagedDownload(ClientError):
    """The bytes of a file have another SHA-256 than expected."""


class JobNotSucceeded(ClientError):
    """The job failed or was cancelled."""


class NotFinished(ClientError):
    """The job is not finished in time; it goes on."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """One wrong field of a document.

    Attributes:
        pointer: JSON pointer to the field, or the name of a parameter of the request.
        detail: what is wrong.
        value: the value that was found.
        expected: what would be right.
    """

    pointer: str
    detail: str
    value: Any = None
    expected: str | None = None

    @property
    def is_parameter(self) -> bool:
        """Whether this is a parameter of the request, such as a filter of a list."""
        return bool(self.pointer) and not self.pointer.startswith("/")


class BadDocument(ClientError):
    """The file is not a spec; the message says where and why.

    Attributes:
        wrong: the wrong fields.
        name: the name of the file; empty if it is not known.
    """

    def __init__(self, message: str, wrong: Sequence[Wrong] = (), name: str = "") -> None:
        super().__init__(message)
        self.wrong, self.name = tuple(wrong), name


class Refused(ClientError):
    """The service refused the request.

    Attributes:
        status: HTTP status.
        type: stable identifier of the kind of problem.
        detail: what was wrong.
        wrong: the wrong fields of the document, if any.
        request_id: identifies the request in the logs of the service.
    """

    statuses: ClassVar[range | tuple[int, ...]] = range(400, 600)

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        self.status = status
        self.type = str(problem.get("type", "about:blank"))
        self.detail = str(problem.get("detail") or problem.get("title") or f"HTTP {status}")
        self.request_id: str | None = problem.get("request_id")
        self.wrong = tuple(
            Wrong(
                item.get("pointer") or item.get("parameter") or "",
                str(item.get("detail", "")),
                item.get("value"),
                item.get("expected"),
            )
            for item in problem.get("errors") or ()
        )
        super().__init__(self.detail)


class NotAuthenticated(Refused):
    """No key, or a wrong one."""

    statuses = (401,)


class NotAllowed(Refused):
    """The role of the key does not allow the request."""

    statuses = (403,)


class NotFound(Refused):
    """It does not exist, or belongs to another owner."""

    statuses = (404,)


class Conflict(Refused):
    """Not possible in the current state, or the idempotency key was used with another document."""

    statuses = (409,)


class Invalid(Refused):
    """The document is wrong."""

    statuses = (400, 413, 415, 422)

    @property
    def wrong_parameters(self) -> bool:
        """Whether only parameters of the request are wrong, and no document."""
        return bool(self.wrong) and all(each.is_parameter for each in self.wrong)


class TooManyRequests(Refused):
    """The rate limit or the quota is exceeded."""

    statuses = (429,)


class ServiceFailed(Refused):
    """An error of the service, or a part of it is unavailable."""

    statuses = range(500, 600)


def place(response: httpx.Response) -> str:
    """The address that answered, without parameters: those of a signed address give access."""
    return str(response.request.url.copy_with(query=None))


def refusal(response: httpx.Response) -> Refused | NotTheService:
    """The error for a response whose body has been read."""
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict) or "type" not in problem:
        proxy = proxy_for(response.request.url)
        through = f" through {proxy}" if proxy else ""
        return NotTheService(
            f"{place(response)} answered {response.status_code}{through} without a problem "
            "document; check that the address is right and that no proxy answers for the service"
        )
    if problem["type"] == _KEY_USED_BEFORE:
        return Conflict(response.status_code, problem)
    for kind in Refused.__subclasses__():
        if response.status_code in kind.statuses:
            return kind(response.status_code, problem)
    return Refused(response.status_code, problem)
