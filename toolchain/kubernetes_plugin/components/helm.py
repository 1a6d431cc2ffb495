"""Running `helm`: what it may see, and what it must not leave behind.

Nothing secret is in the arguments, which every process of the machine can read: values go through standard input,
credentials through files in a folder of one run, which only this user can enter.
"""

import asyncio
import base64
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from toolchain.plugin_base.errors import PluginError

from ..kubeconfig import Access

_OLDEST: Final = (3, 14)
_TOO_NEW: Final = (4,)
_HOW_TO_INSTALL: Final = "run `python3 -m toolchain install helm`, or install Helm 3 (3.14 or newer) from https://helm.sh/docs/intro/install/"
_REPOSITORY: Final = "repository"


@dataclass(frozen=True)
class Repository:
    """Where a chart comes from, and what opens it.

    Attributes:
        url: of a chart repository; empty for an OCI registry, a local chart or one of helm's own repositories.
        username: with the password for the repository or the OCI registry.
        password: see there.
        files: TLS files by helm's flags for them: `ca-file`, `cert-file`, `key-file`.
    """

    url: str
    username: str
    password: str
    files: Mapping[str, Path]


class Helm:
    """The helm program with a folder of its own for one run. Use as a context manager; afterwards the folder is gone.

    Attributes:
        folder: for files that helm shall read.
    """

    def __init__(self, cancelled: asyncio.Event, hidden: Iterable[str] = ()) -> None:
        """Prepare a run.

        Args:
            cancelled: ends what runs.
            hidden: texts that no error may show.

        Raises:
            PluginError: helm is not installed.
        """
        program = shutil.which("helm")
        if program is None:
            raise PluginError(f"a Helm chart needs the program helm, which is not on PATH: {_HOW_TO_INSTALL}")
        self._program = program
        self._cancelled = cancelled
        self._hidden = sorted(hidden, key=len, reverse=True)
        # HELM_KUBECONTEXT and its like would win over the kubeconfig that says which cluster the provider means.
        self._env = {name: value for name, value in os.environ.items() if not name.startswith("HELM_KUBE")}

    def __enter__(self) -> "Helm":
        self._temporary = tempfile.TemporaryDirectory(prefix="pulumi-helm-")  # mode 0700
        self.folder = Path(self._temporary.name)
        return self

    def __exit__(self, *_: object) -> None:
        self._temporary.cleanup()

    def write(self, name: str, content: str) -> Path:
        """Write a file into the folder that only this user can read."""
        path = self.folder / name
        path.touch(0o600)
        path.write_text(content)
        return path

    def use_cluster(self, access: Access) -> None:
        """Let templates look up objects in this cluster."""
        entry = {"name": "it"}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "it",
            "clusters": [{**entry, "cluster": access.cluster}],
            "users": [{**entry, "user": access.user}],
            "contexts": [{**entry, "context": {"cluster": "it", "user": "it", "namespace": access.namespace}}],
        }
        self._env["KUBECONFIG"] = str(self.write("kubeconfig", json.dumps(config)))

    async def check(self) -> None:
        """Raise a PluginError unless this helm's templates can look up objects without an installation's checks."""
        version, _ = await self.run("version", "--short")
        found = re.match(r"v(\d+)\.(\d+)", version)
        if not found or not _OLDEST <= (int(found[1]), int(found[2])) < _TOO_NEW:
            raise PluginError(f"Helm {version.strip()} ({self._program}) cannot be used: {_HOW_TO_INSTALL}")

    async def locate(self, chart: str, repository: Repository) -> tuple[str, list[str]]:
        """The chart and the flags by which helm finds it, once it knows the repository and its credentials.

        Raises:
            PluginError: the repository does not answer as one.
        """
        flags = [f"--{name}={path}" for name, path in repository.files.items()]
        if repository.url:
            entry: dict[str, Any] = {
                "name": _REPOSITORY,
                "url": repository.url,
                "username": repository.username,
                "password": repository.password,
                **{_camel(name): str(path) for name, path in repository.files.items()},
            }
            config = self.write("repositories.yaml", json.dumps({"apiVersion": "v1", "repositories": [entry]}))
            self._env["HELM_REPOSITORY_CONFIG"] = str(config)
            self._env["HELM_REPOSITORY_CACHE"] = str(self.folder / "cache")
            await self.run("repo", "update", _REPOSITORY)
            return f"{_REPOSITORY}/{chart}", []
        if repository.username:
            login = base64.b64encode(f"{repository.username}:{repository.password}".encode()).decode()
            logins = {"auths": {urlsplit(chart).netloc: {"auth": login}}}
            self._env["HELM_REGISTRY_CONFIG"] = str(self.write("registry.json", json.dumps(logins)))
        return chart, flags

    async def run(self, *arguments: str, stdin: str = "") -> tuple[str, str]:
        """Run helm and return what it printed on standard output and standard error.

        Raises:
            PluginError: it failed; with its own words, without what is hidden.
        """
        return await self.run_program([self._program, *arguments], f"helm {arguments[0]}", stdin)

    async def run_program(self, command: Sequence[str], called: str, stdin: str) -> tuple[str, str]:
        """Run a program with helm's environment. See `run`."""
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                env=self._env,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            raise PluginError(f"cannot run {command[0]}: {error.strerror}") from None
        talking = asyncio.create_task(process.communicate(stdin.encode()))
        stop = asyncio.create_task(self._cancelled.wait())
        try:
            await asyncio.wait({talking, stop}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()
            if not talking.done():
                process.kill()
        out, err = await talking
        if self._cancelled.is_set() and process.returncode:
            raise PluginError(f"{called} was cancelled")
        said = err.decode(errors="replace")
        if process.returncode:
            raise PluginError(f"{called} failed: {self._without_hidden(said)}")
        return out.decode(errors="replace"), said

    def _without_hidden(self, text: str) -> str:
        for hidden in self._hidden:
            text = text.replace(hidden, "[secret]")
        return text.strip().removeprefix("Error: ")


def _camel(flag: str) -> str:
    """A flag's name in helm's files: `ca-file` is `caFile` there."""
    first, *rest = flag.split("-")
    return first + "".join(word.capitalize() for word in rest)
