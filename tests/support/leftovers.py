"""What the services of a local stack leave behind when they are stopped: on a machine of their own, told exactly."""

import sys
from collections.abc import Callable
from pathlib import Path

from tests.support.cluster import exports
from tests.support.machine import Machine, differences
from toolchain import paths

_DOCKERFILE = """\
FROM debian:bookworm-slim
RUN echo built > /built
CMD ["sleep", "infinity"]
"""
_IMAGE = "localhost:5001/used:1"


class OwnServices:
    """The services of stack dev, in a machine of their own and a data folder of their own below ``folder``.

    The tools are those of the cache folder. Paths have blanks, the umask is strict, and HOME holds files that are
    none of our business.
    """

    def __init__(self, machine: Machine, folder: Path) -> None:
        self.machine = machine
        self.folder = folder
        self.home = folder / "a home"
        self.data = folder / "the data"
        self.temporary = folder / "tmp"
        for file, content in ((".kube/config", "the user's"), (".docker/config.json", "{}")):
            (self.home / file).parent.mkdir(parents=True)
            (self.home / file).write_text(content)
        self.temporary.mkdir()
        self._env = {
            "HOME": str(self.home),
            "XDG_CACHE_HOME": str(paths.cache().parent),
            "XDG_DATA_HOME": str(self.data),
            "TMPDIR": str(self.temporary),
        }

    def run(self, *argv: str, stdin: str = "") -> str:
        """What a command printed, run with all that the toolchain exports. Raises AssertionError where it fails."""
        env = self._env | exports(self._toolchain("env"))
        return self._checked(*argv, env=env, stdin=stdin)

    def start(self) -> None:
        self._toolchain("start")

    def down(self) -> None:
        self._toolchain("down")

    def users_files(self) -> dict[str, tuple[bytes, int]]:
        """Content and time of change of every file in HOME."""
        files = (path for path in self.home.rglob("*") if path.is_file())
        return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}

    def build(self) -> None:
        """Build an image on the base image, and push it."""
        context = self.folder / "context"
        context.mkdir(exist_ok=True)
        (context / "Dockerfile").write_text(_DOCKERFILE)
        self.run("buildx", "build", "--push", "--tag", _IMAGE, str(context))

    def use(self) -> None:
        """Build an image, and run it as a pod behind a NodePort."""
        self.build()
        self.run("kubectl", "create", "deployment", "used", f"--image={_IMAGE}")
        self.run("kubectl", "expose", "deployment", "used", "--type=NodePort", "--port=80")
        self.wait()

    def wait(self) -> None:
        """Wait until the pod runs."""
        self.run("kubectl", "rollout", "status", "deployment/used", "--timeout=60s")
        assert self.run("kubectl", "exec", "deployment/used", "--", "cat", "/built") == "built\n"

    def _toolchain(self, command: str) -> str:
        return self._checked(sys.executable, "-m", "toolchain", command, env=self._env)

    def _checked(self, *argv: str, env: dict[str, str], stdin: str = "") -> str:
        done = self.machine.run("sh", "-c", 'umask 077; exec "$0" "$@"', *argv, env=env, stdin=stdin)
        assert done.returncode == 0, f"{' '.join(argv)}:\n{done.stdout}\n{done.stderr}"
        return done.stdout


def leftovers_after_down(folder: Path, progress: Callable[[str], None] = lambda text: None) -> list[str]:
    """Start the services, use them, stop them: processes, mounts, links, rules, sockets, files that stayed or went.

    ``folder`` keeps their data meanwhile. Needs root, and the tools installed.
    """
    machine = Machine()
    machine.boot()
    try:
        services = OwnServices(machine, folder)
        before = machine.snapshot()
        progress("starting the services in a machine of their own")
        services.start()
        services.use()
        progress("stopping them")
        services.down()
        left = differences(before, machine.snapshot())
        return left + [f"+ temporary: {path.name}" for path in services.temporary.iterdir()]
    finally:
        machine.halt()
