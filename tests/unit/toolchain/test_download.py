"""Official releases, as a server on this machine serves them."""

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from toolchain.errors import ToolchainError
from toolchain.parts.download import Beside, Release
from toolchain.parts.model import machine, system
from toolchain.progress import Step


def archive(*names: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size = len(name)
            tar.addfile(entry, io.BytesIO(name.encode()))
    return packed.getvalue()


class Releases(BaseHTTPRequestHandler):
    files: dict[str, bytes]

    def do_GET(self) -> None:
        content = self.files.get(self.path)
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    tool = archive("tool/one", "tool/two", "tool/README")
    name = f"tool-{system()}-{machine()}.tar.gz"
    files = {
        f"/{name}": tool,
        "/sums": f"{hashlib.sha256(tool).hexdigest()}  {name}\n".encode(),
        "/raw-one": b"one",
        "/raw-one.sha256": hashlib.sha256(b"one").hexdigest().encode(),
        "/raw-two": b"two, replaced by somebody",
        "/raw-two.sha256": hashlib.sha256(b"two").hexdigest().encode(),
    }
    monkeypatch.setattr(Releases, "files", files, raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Releases) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "part").mkdir()
    return tmp_path / "part"


def test_programs_are_taken_out_of_an_archive(server: str, folder: Path) -> None:
    release = Release(f"{server}/tool-{{os}}-{{arch}}.tar.gz", f"{server}/sums", ("one", "two"), members="tool/")
    release.obtain(folder, Step(""), folder)
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"one": "tool/one", "two": "tool/two"}
    assert all(path.stat().st_mode & 0o111 for path in folder.iterdir())


def test_a_release_without_the_program_is_an_error(server: str, folder: Path) -> None:
    release = Release(f"{server}/tool-{{os}}-{{arch}}.tar.gz", f"{server}/sums", ("three",), members="tool/")
    with pytest.raises(ToolchainError, match="does not hold tool/three"):
        release.obtain(folder, Step(""), folder)


def test_programs_that_are_files_of_their_own(server: str, folder: Path) -> None:
    release = Release(f"{server}/raw-{{program}}", f"{server}/raw-{{program}}.sha256", ("one",))
    release.obtain(folder, Step(""), folder)
    assert (folder / "one").read_text() == "one"
    assert (folder / "one").stat().st_mode & 0o111


def test_a_replaced_program_is_refused(server: str, folder: Path) -> None:
    release = Release(f"{server}/raw-{{program}}", f"{server}/raw-{{program}}.sha256", ("two",))
    with pytest.raises(ToolchainError, match="nothing was installed"):
        release.obtain(folder, Step(""), folder)
    assert list(folder.iterdir()) == []


def test_a_release_for_other_systems_is_no_way_here(server: str) -> None:
    assert not Release(f"{server}/x", f"{server}/x", ("x",), systems=("plan9",)).available()


def test_what_came_with_another_part_is_the_same_file(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "host").write_text("host")
    Beside("Pulumi CLI", other, ("host",)).obtain(folder, Step(""), folder)
    assert (folder / "host").samefile(other / "host")
    with pytest.raises(ToolchainError, match="script did not come with it"):
        Beside("Pulumi CLI", other, ("script",)).obtain(folder, Step(""), folder)
