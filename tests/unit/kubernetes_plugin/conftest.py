"""An API server's answers from a script, over real HTTP."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from toolchain.kubernetes_plugin import cluster
from toolchain.kubernetes_plugin.kubeconfig import Access


@dataclass
class Request:
    """What a client sent."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]


@dataclass
class ApiServer:
    """Answers by method and path; a list of answers is given one after the other, the last one for ever.

    An answer is a status code and a body; a body that is a list is a watch's lines.
    """

    url: str
    answers: dict[tuple[str, str], list[tuple[int, Any]]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    def on(self, method: str, path: str, *answers: tuple[int, Any]) -> None:
        self.answers[method, path] = list(answers)

    def access(self, **user: Any) -> Access:
        return Access({"server": self.url}, user, "default")

    def sent(self, method: str) -> list[Request]:
        return [request for request in self.requests if request.method == method]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Watches are opened again at once."""
    monkeypatch.setattr(cluster, "_PAUSE_SECONDS", 0.02)


def status(code: int, reason: str = "", message: str = "no", **details: Any) -> tuple[int, dict[str, Any]]:
    """An answer that refuses."""
    return code, {"kind": "Status", "code": code, "reason": reason, "message": message, "details": details}


@pytest.fixture
def api() -> Iterator[ApiServer]:
    """A server on a free port that knows the kinds ConfigMap, Pod and Event."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            query = dict(parse_qsl(parts.query))
            served.requests.append(Request(self.command, parts.path, query, body, dict(self.headers)))
            key = (self.command, parts.path + ("?watch" if "watch" in query else ""))
            nothing = (200, []) if "watch" in query else status(404, "NotFound")
            answers = served.answers.get(key, [nothing])
            code, answer = answers.pop(0) if len(answers) > 1 else answers[0]
            lines = answer if isinstance(answer, list) else [answer]
            text = "".join(json.dumps(line) + "\n" for line in lines)
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            if code == 429:
                self.send_header("Retry-After", "1")
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _handle

        def log_message(self, format: str, *args: Any) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = ApiServer(f"http://127.0.0.1:{server.server_port}")
    kinds = [
        {"name": "configmaps", "kind": "ConfigMap", "namespaced": True},
        {"name": "pods", "kind": "Pod", "namespaced": True},
        {"name": "pods/log", "kind": "Pod", "namespaced": True},
        {"name": "events", "kind": "Event", "namespaced": True},
        {"name": "namespaces", "kind": "Namespace", "namespaced": False},
    ]
    served.on("GET", "/api/v1", (200, {"resources": kinds}))
    served.on("GET", "/version", (200, {"major": "1"}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield served
    server.shutdown()
    server.server_close()
    thread.join(5)
