"""Every error of the client.

ClientError
├── Unreachable          no answer, however often it was tried
├── NotTheService        something answered that is not this service
├── DamagedDownload      a file's bytes are not those that the service has
├── JobNotSucceeded      a job that was waited for failed or was cancelled
└── Refused              the service said no, in a problem document (RFC 9457)
    ├── NotAuthenticated     401  no key, or a wrong one
    ├── NotAllowed           403  the key's role does not allow it
    ├── NotFound             404  there is no such thing, or it is another owner's
    ├── Conflict             409  not in the state that the thing is in
    ├── Invalid              400, 413, 415, 422  the document is wrong; `wrong` says where
    ├── TooManyRequests      429  the rate or the quota is used up
    └── ServiceFailed        5xx  the service's own mistake, or a part of it is away
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import httpx


class ClientError(Exception):
    """Base of the client's errors; the message is for people."""


class Unreachable(ClientError):
    """No answer."""


class NotTheService(ClientError):
    """An answer that is not this service's."""


class DamagedDownload(ClientError):
    """Bytes that do not have the digest that they should."""


class JobNotSucceeded(ClientError):
    """A job that ended otherwise than it was waited for."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """One wrong field of a document."""

    pointer: str
    detail: str
    value: Any = None
    expected: str | None = None


class Refused(ClientError):
    """The service said no.

    Attributes:
        status: of HTTP.
        type: stable name of the kind of problem.
        detail: what was wrong this time.
        wrong: every wrong field, when the document was.
        request_id: names the request in the service's logs.
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
    """The key's role does not allow it."""

    statuses = (403,)


class NotFound(Refused):
    """There is no such thing."""

    statuses = (404,)


class Conflict(Refused):
    """Not possible in this state."""

    statuses = (409,)


class Invalid(Refused):
    """What was sent is wrong."""

    statuses = (400, 413, 415, 422)


class TooManyRequests(Refused):
    """The rate or the quota is used up."""

    statuses = (429,)


class ServiceFailed(Refused):
    """The service's own mistake, or a part of it is away."""

    statuses = range(500, 600)


def refusal(response: httpx.Response) -> Refused | NotTheService:
    """The error that an answer stands for. The answer's body has been read."""
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict) or "type" not in problem:
        return NotTheService(
            f"{response.request.url} answered {response.status_code} without saying why; "
            "is it this service, and nothing in between?"
        )
    for kind in Refused.__subclasses__():
        if response.status_code in kind.statuses:
            return kind(response.status_code, problem)
    return Refused(response.status_code, problem)
