"""A real HTTP server on loopback that gives scripted answers, one for each request."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from typing import Any


@dataclass(frozen=True)
class Answer:
    """A response; with `cut`, the connection breaks after that many bytes of the body."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None


@dataclass(frozen=True)
class Seen:
    """A received request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Script:
    """The remaining responses and the received requests. The last response is repeated."""

    answers: list[Answer | Callable[[Seen], Answer]]
    server: str = ""
    seen: list[Seen] = field(default_factory=list)

    def next(self, seen: Seen) -> Answer:
        self.seen.append(seen)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer if isinstance(answer, Answer) else answer(seen)


def document(content: Any, status: int = 200, **headers: str) -> Answer:
    """A JSON response."""
    said = {"Content-Type": "application/json", **headers}
    return Answer(status, json.dumps(content).encode(), said)


def problem(status: int, **fields: Any) -> Answer:
    """A problem document."""
    content = {"type": "urn:lth:problem:test", "title": "test", "detail": "no", **fields}
    return Answer(
        status, json.dumps(content).encode(), {"Content-Type": "application/problem+json"}
    )


@contextmanager
def scripted(
    *answers: Answer | Callable[[Seen], Answer], tls: SSLContext | None = None
) -> Iterator[Script]:
    """Serve the responses, with TLS if `tls` is given."""
    script = Script(list(answers))

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            seen = Seen(self.command, self.path, dict(self.headers), self.rfile.read(length))
            answer = script.next(seen)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body[: answer.cut])
            self.close_connection = True

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_CONNECT = _serve  # noqa: N815

        def log_message(self, *said: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        script.server = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
        yield script
        server.shutdown()
        thread.join()
