"""The toolchain at its edges: what it leaves behind, and what it survives.

Services run in a machine of their own (tests.support.machine); tools come from the cache folder.
"""

import contextlib
import hashlib
import io
import json
import os
import signal
import stat
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.leftovers import OwnServices
from tests.support.machine import Machine, differences
from tests.support.waiting import wait_until
from tests.support.workspace import ROOT

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnServices]:
    if os.geteuid() != 0:
        pytest.skip("a cluster needs root")
    machine = Machine()
    machine.boot()
    yield OwnServices(machine, tmp_path_factory.mktemp("services"))
    machine.halt()


def test_down_leaves_nothing_behind(services: OwnServices) -> None:
    users = services.users_files()
    before = services.machine.snapshot()

    services.start()
    assert services.users_files() == users
    services.use()

    seen = {line.split(":")[0].removeprefix("+ ") for line in differences(before, services.machine.snapshot())}
    assert seen >= {"processes", "mounts", "links", "routes", "listening", "sockets", "iptables", "files", "groups"}
    services.down()
    assert differences(before, services.machine.snapshot()) == []
    assert list(services.temporary.iterdir()) == []
    assert users.items() <= services.users_files().items()  # kubectl, which is ours here, keeps a cache there


def test_a_reboot_in_between(services: OwnServices) -> None:
    """Processes, mounts, rules and control groups are gone; sockets, records of pids and open databases are there."""
    before = services.machine.snapshot()
    services.start()
    services.machine.halt()
    services.machine.boot()
    table = services.data / "model-serving" / "services" / "processes.json"
    records = json.loads(table.read_text())
    # The new machine has the old one's kernel; and its first processes may well have the recorded pids.
    table.write_text(json.dumps({name: {**record, "boot": "the one before"} for name, record in records.items()}))

    services.start()

    services.wait()  # etcd has its objects, the node its images
    services.build()  # the builder has its cache, the registry its images
    services.down()
    assert differences(before, services.machine.snapshot()) == []


# `python3 -m toolchain`, with one small part instead of all: what is tested is how it is had.
ONE_PART = """
from toolchain import interruption
with interruption.told():
    from toolchain import cli, local
    from toolchain.parts.download import Release
    from toolchain.parts.model import Part
    from toolchain.parts.node import pause
    local.parts = lambda: [{part}]
    local.lacking_rights = lambda: []
    cli.run()
"""
PAUSE = ONE_PART.format(part="pause()")


class Folders:
    """A cache, data and temporary folder of a test's own, and the processes that were told of them."""

    def __init__(self, root: Path) -> None:
        self.cache = root / "a cache"
        self.tools = self.cache / "model-serving" / "tools"
        (root / "tmp").mkdir()
        self.env = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "XDG_CACHE_HOME": str(self.cache),
            "XDG_DATA_HOME": str(root / "data"),
            "GOCACHE": str(root / "go"),
            "TMPDIR": str(root / "tmp"),
            "LOCK_TIMEOUT": "0",
        }
        self._mark = f"XDG_CACHE_HOME={self.cache}".encode()

    def begin(self, code: str, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", code, *arguments], env=self.env, stderr=subprocess.PIPE, text=True
        )

    def processes(self) -> dict[int, str]:
        """Pid and name of every process with this environment."""
        found: dict[int, str] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
                    if self._mark in (entry / "environ").read_bytes().split(b"\0"):
                        found[int(entry.name)] = (entry / "comm").read_text().strip()
        return found


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def built(folders: Folders) -> None:
    """The same command again completes, and nothing half made is left beside the part."""
    again = folders.begin(PAUSE, "install")
    _, said = again.communicate(timeout=120)
    assert again.returncode == 0, said
    [part] = folders.tools.iterdir()
    assert [file.name for file in part.iterdir()] == ["pause"]


def test_two_at_once_and_ctrl_c_during_a_build(folders: Folders) -> None:
    first = folders.begin(PAUSE, "install")
    wait_until(lambda: "compile" in folders.processes().values(), "the compiler")

    second = folders.begin(PAUSE, "install")
    _, refusal = second.communicate(timeout=30)
    assert first.poll() is None
    assert second.returncode == 1
    assert f"another command is at work, process {first.pid}: python3 -m toolchain install" in refusal

    first.send_signal(signal.SIGINT)
    _, said = first.communicate(timeout=30)
    assert first.returncode == 130, said
    assert said.splitlines()[-1].startswith("interrupted (SIGINT)")
    assert "Traceback" not in said
    assert folders.processes() == {}
    assert list(folders.tools.iterdir()) == []
    built(folders)


def test_a_build_that_was_killed(folders: Folders) -> None:
    first = folders.begin(PAUSE, "install")
    wait_until(lambda: "compile" in folders.processes().values(), "the compiler")
    first.send_signal(signal.SIGKILL)
    first.communicate()
    wait_until(lambda: not folders.processes(), "the end of the compiler, which nobody listens to any more")
    assert list(folders.tools.iterdir()) != []  # its half
    built(folders)


class Zeros(BaseHTTPRequestHandler):
    """A release of 4 MB of zeros: as a file, and as an archive of a few kB."""

    content = bytes(4_000_000)

    def do_GET(self) -> None:
        content = self.content
        if "archive" in self.path:
            packed = io.BytesIO()
            with tarfile.open(fileobj=packed, mode="w:gz") as tar:
                entry = tarfile.TarInfo("tool")
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
            content = packed.getvalue()
        if self.path.endswith(".sha256"):
            content = hashlib.sha256(content).hexdigest().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(content)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def zeros() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Zeros) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


def on_a_full_disk(folders: Folders, megabytes: int, *command: str) -> tuple[int, str, list[str]]:
    """Exit code and errors of a command whose cache folder is a small disk of its own, and the files it left there."""
    script = 'mount -t tmpfs -o size="$1"m small "$2" && shift && shift && { "$@"; echo "= $?"; find "$D" -type f; }'
    folders.cache.mkdir()
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", str(megabytes), str(folders.cache), *command],
        env={**folders.env, "D": str(folders.cache)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    code, *files = done.stdout.split("= ")[-1].splitlines()
    return int(code), done.stderr, files


@pytest.mark.parametrize("way", ["build", "raw", "archive.tar.gz"])
def test_a_disk_that_fills_up(folders: Folders, zeros: str, way: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("a small disk is mounted")
    url = f"{zeros}/{way}"
    release = f"Part('Tool', '1', (Release({url!r}, {url + '.sha256'!r}, ('tool',)),), ('tool',))"
    if way == "build":
        # What is compiled was so before: only the program is to be written.
        folders.env["GOCACHE"] = subprocess.run(
            ["go", "env", "GOCACHE"], check=True, capture_output=True, text=True
        ).stdout.strip()
    code, said, files = on_a_full_disk(
        folders, 1, sys.executable, "-c", PAUSE if way == "build" else ONE_PART.format(part=release), "install"
    )
    assert code == 1
    assert "error: " in said
    assert "the disk is full" in said
    assert f"Make room on the disk of {folders.cache}/model-serving" in said
    assert "Traceback" not in said
    assert [file for file in files if not file.endswith("/lock")] == []


def test_a_disk_that_is_too_small_for_the_toolchains_own_environment(folders: Folders) -> None:
    if os.geteuid() != 0:
        pytest.skip("a small disk is mounted")
    code, said, files = on_a_full_disk(folders, 4, sys.executable, "-m", "toolchain", "install")
    assert code == 1
    assert "error: install toolchain/requirements.txt: the disk is full" in said
    assert "Traceback" not in said
    assert [file for file in files if not file.endswith(".lock")] == []


# What lies in root's folders, modules and pins, is read before root's rights are given up.
AS_NOBODY = """
import os
from toolchain import interruption, stack
load = stack.load
def load_and_become_nobody(name):
    import rich._emoji_codes  # printing needs it
    loaded, _ = load(name), plan_all(local.parts())
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
    return loaded
stack.load = load_and_become_nobody
with interruption.told():
    from toolchain import cli, local
    from toolchain.parts.install import plan_all
    cli.run()
"""


def test_another_user_is_told_what_is_lacking_before_anything_starts(folders: Folders, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("becomes another user")
    for folder in (tmp_path, *tmp_path.parents):
        if not folder.stat().st_mode & stat.S_IXOTH:
            folder.chmod(0o755)
    os.chown(tmp_path, 65534, 65534)
    folders.env |= {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "DOCKER_HOST": "unix:///nonexistent"}

    refused = folders.begin(AS_NOBODY, "start")
    _, said = refused.communicate(timeout=60)

    assert refused.returncode == 1
    assert "error: prepare a local stack: this machine lacks:" in said
    assert "needs root" in said
    assert "Nothing was started" in said
    assert "Traceback" not in said
    assert not folders.tools.exists()
    assert folders.processes() == {}
