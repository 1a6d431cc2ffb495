"""The load of the serving benchmark: does it look at the answers?"""

import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench.serving.load import Target, measure, prove

pytestmark = pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is missing: apt-get install wrk")

REQUEST = bytes(range(256))


class _Handler(BaseHTTPRequestHandler):
    """Answers with its own header and body where it was asked right."""

    protocol_version = "HTTP/1.1"
    statuses: tuple[int, ...] = (200,)
    answered = 0

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        right = body == REQUEST and self.headers["X-Kind"] == "a kind"
        content = b"before right\0 after" if right else b"wrong request"
        kind = type(self)
        kind.answered += 1
        self.send_response(kind.statuses[kind.answered % len(kind.statuses)])
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def handler() -> type[_Handler]:
    class Handler(_Handler):
        pass

    return Handler


@pytest.fixture
def target(handler: type[_Handler]) -> Iterator[Target]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Target(
            name="a server",
            port=server.server_address[1],
            path="/",
            body=REQUEST,
            headers={"X-Kind": "a kind"},
            answer=b"right\0 after",
        )
        server.shutdown()


def test_right_answers_are_counted_and_timed(target: Target, handler: type[_Handler]) -> None:
    found = measure(target, 1, connections=2)
    assert 0 < found.answered <= handler.answered
    assert (found.wrong, found.lost) == (0, 0)
    assert 0 < found.p50_ms <= found.p99_ms
    prove(target)


def test_one_status_that_is_not_200_spoils_the_load(target: Target, handler: type[_Handler]) -> None:
    handler.statuses = (200, 200, 200, 500)
    with pytest.raises(RuntimeError, match="are wrong"):
        measure(target, 1, connections=2)


def test_a_wrong_body_spoils_the_load(target: Target) -> None:
    with pytest.raises(RuntimeError, match="are wrong"):
        measure(Target(**{**vars(target), "answer": b"right\0 before"}), 1, connections=2)


def test_a_load_that_takes_anything_for_right_is_not_believed(target: Target) -> None:
    # The proof asks for the answer and a zero byte, which this server sends: so nothing is found wrong.
    with pytest.raises(RuntimeError, match="taken for right ones"):
        prove(Target(**{**vars(target), "answer": b"right"}))
