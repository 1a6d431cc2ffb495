"""Downloads, against a server on this machine."""

import hashlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from toolchain import interruption, network
from toolchain.errors import ToolchainError

CONTENT = b"a program" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves one file, whole or cut short, and counts what it is asked.

    /flaky gives a quarter of the file at a time, to whoever asks for the rest of it.
    """

    asked: list[str]

    def do_HEAD(self) -> None:
        self.asked.append(f"HEAD {self.path}")
        self.send_response(404)
        self.end_headers()

    def do_GET(self) -> None:
        self.asked.append(f"GET {self.path}")
        if self.path in ("/missing", "/refused"):
            self.send_error(404 if self.path == "/missing" else 403)
            return
        content, start = CONTENT, int(self.headers.get("Range", "bytes=0-")[len("bytes=") : -1])
        if self.path == "/flaky" and start >= len(CONTENT):
            self.send_error(416)
            return
        if self.path == "/flaky" and start:
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
            content = CONTENT[start:]
        else:
            self.send_response(200)
        if self.path.startswith("/sums"):
            content = b"0" * 64 + b"  other.tar.gz\n" + SHA256.encode() + b" *tool.tar.gz\n"
        elif self.path.startswith("/bare"):
            content = SHA256.encode() + b"\n"
        elif self.path.startswith("/page"):
            content = b"<html>not a checksum</html>"
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        given = {"/short": len(content) // 2, "/flaky": len(CONTENT) // 4}.get(self.path, len(content))
        self.wfile.write(content[:given])

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
        ("/refused", SHA256, "answers 403.*\\n.*HTTPS_PROXY"),
    ],
)
def test_nothing_is_left_of_a_download_that_is_not_right(
    server: str, tmp_path: Path, path: str, sha256: str, why: str
) -> None:
    with pytest.raises(ToolchainError, match=why):
        network.fetch(f"{server}{path}", tmp_path / "tool", sha256)
    assert list(tmp_path.glob("*tool*")) == []
    assert bool(list(network.kept().iterdir())) == (path == "/short")


def test_a_connection_that_ends_early_is_opened_again_where_it_ended(server: str, tmp_path: Path) -> None:
    with pytest.raises(ToolchainError, match="goes on from what came"):  # a quarter is still to come
        network.fetch(f"{server}/flaky", tmp_path / "tool", SHA256)
    assert len(Handler.asked) == 3
    network.fetch(f"{server}/flaky", tmp_path / "tool", SHA256)
    assert len(Handler.asked) == 4
    assert (tmp_path / "tool").read_bytes() == CONTENT
    assert list(network.kept().iterdir()) == []


@pytest.mark.parametrize("path", ["/flaky", "/tool"], ids=["goes on", "knows no ranges"])
@pytest.mark.parametrize("there", [CONTENT[:-9], CONTENT, CONTENT + b"x", b"z" * 6000])
def test_what_a_killed_run_left_is_used_if_it_is_right(server: str, tmp_path: Path, path: str, there: bytes) -> None:
    network.kept().mkdir(parents=True)
    (network.kept() / f"{SHA256}.part").write_bytes(there)
    if path == "/flaky" and not CONTENT.startswith(there):  # begun again, it takes more than one run
        with pytest.raises(ToolchainError, match="the connection ended"):
            network.fetch(f"{server}{path}", tmp_path / "tool", SHA256)
    network.fetch(f"{server}{path}", tmp_path / "tool", SHA256)
    assert (tmp_path / "tool").read_bytes() == CONTENT


def test_no_connection_is_told_with_what_to_check(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/tool"
    with pytest.raises(ToolchainError) as caught:
        network.fetch(url, tmp_path / "tool", SHA256)
    assert caught.value.step == f"download {url}"
    assert "Connection refused" in caught.value.why
    assert "Check the network" in caught.value.todo
    with pytest.raises(ToolchainError, match="Connection refused"):
        network.published_checksum(url, "tool")


def test_an_interrupt_ends_a_download(server: str, tmp_path: Path) -> None:
    interruption.stopping.set()
    try:
        with pytest.raises(interruption.Stopped):
            network.fetch(f"{server}/tool", tmp_path / "tool", SHA256)
    finally:
        interruption.stopping.clear()
    assert not (tmp_path / "tool").exists()


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
