"""Downloads, against a server on this machine."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from toolchain import network
from toolchain.errors import ToolchainError

CONTENT = b"a program" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves one file, whole or cut short, and counts what it is asked."""

    asked: list[str]

    def do_HEAD(self) -> None:
        self.asked.append(f"HEAD {self.path}")
        self.send_response(404)
        self.end_headers()

    def do_GET(self) -> None:
        self.asked.append(f"GET {self.path}")
        if self.path == "/missing":
            self.send_error(404)
            return
        self.send_response(200)
        content = CONTENT
        if self.path.startswith("/sums"):
            content = b"0" * 64 + b"  other.tar.gz\n" + SHA256.encode() + b" *tool.tar.gz\n"
        elif self.path.startswith("/bare"):
            content = SHA256.encode() + b"\n"
        elif self.path.startswith("/page"):
            content = b"<html>not a checksum</html>"
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if self.path == "/short" else content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    Handler.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


def test_a_download_with_the_published_checksum(server: str, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    sha256 = network.published_checksum(f"{server}/sums", "tool.tar.gz")
    network.fetch(f"{server}/tool.tar.gz", tmp_path / "tool", sha256, lambda done, total: seen.append((done, total)))
    assert (tmp_path / "tool").read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))


def test_a_file_of_one_bare_checksum(server: str) -> None:
    assert network.published_checksum(f"{server}/bare", "whatever") == SHA256


@pytest.mark.parametrize("path", ["/sums", "/page"])
def test_no_checksum_no_download(server: str, path: str) -> None:
    with pytest.raises(ToolchainError, match=r"no SHA-256 for absent\.tar\.gz"):
        network.published_checksum(f"{server}{path}", "absent.tar.gz")


@pytest.mark.parametrize(
    ("path", "sha256", "why"),
    [
        ("/tool", "f" * 64, "is published"),
        ("/short", SHA256, "the connection ended|IncompleteRead"),
        ("/missing", SHA256, "404"),
    ],
)
def test_nothing_is_left_of_a_download_that_is_not_right(
    server: str, tmp_path: Path, path: str, sha256: str, why: str
) -> None:
    with pytest.raises(ToolchainError, match=why):
        network.fetch(f"{server}{path}", tmp_path / "tool", sha256)
    assert list(tmp_path.glob("*tool*")) == []


def test_a_server_is_asked_once_whatever_it_says(server: str) -> None:
    assert network.reachable(f"{server}/a/b.tar.gz")  # its 404 is an answer
    assert network.reachable(f"{server}/c")
    assert Handler.asked == ["HEAD /"]


def test_a_closed_network_is_found_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def refuse(request: object, timeout: float) -> None:
        tried.append("")
        assert timeout <= 3
        raise TimeoutError

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    assert not network.reachable("https://example.com/one")
    assert not network.reachable("https://example.com/two")
    assert len(tried) == 1
