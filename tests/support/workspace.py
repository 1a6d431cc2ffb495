"""A checkout of this project in a folder of its own, driven by the `pulumi` command as a user would."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any, Self

import yaml

from toolchain import engine, venv

ROOT = Path(__file__).resolve().parents[2]


def copy_checkout(target: Path, source: Path = ROOT) -> Path:
    """Copy the files of this project that Git tracks, or would track, from the checkout `source` to `target`.

    New files get the modes that the umask gives them, as in a clone. Byte code comes along, so that a copy's programs
    need not be compiled again.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    for name in filter(None, listed):
        if (source / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, target / name)
            compiled = cache_from_source(name) if name.endswith(".py") and not sys.pycache_prefix else ""
            if compiled and (source / compiled).is_file():
                # It is valid for a source of the time and the size that it names.
                times = (source / name).stat()
                os.utime(target / name, ns=(times.st_atime_ns, times.st_mtime_ns))
                (target / compiled).parent.mkdir(exist_ok=True)
                shutil.copyfile(source / compiled, target / compiled)
    return target


@dataclass
class Workspace:
    """One checkout, one stack, one backend. Environment: the tools on PATH, the cluster, a passphrase."""

    path: Path
    stack: str
    env: Mapping[str, str]
    backend: Path
    extra_env: dict[str, str] = field(default_factory=dict)

    @classmethod
    def create(cls, path: Path, stack: str, env: Mapping[str, str], backend: Path) -> Self:
        """A new checkout, whose models ask for so little that the pods of several files of tests find room on a small
        node, with those that come while others still leave.
        """
        backend.mkdir(parents=True, exist_ok=True)
        project = copy_checkout(path) / "Pulumi.yaml"
        asked = project.read_text()
        project.write_text(asked.replace("cpu: 250m", "cpu: 20m"))
        assert project.read_text() != asked
        return cls(path, stack, env, backend)

    def install(self, folder: str = ".") -> None:
        """What `pulumi install` does to the program, or to the pack in `folder`: with one environment for all
        checkouts of the same requirements, from the cache. test_main_job.py makes one as on a user's machine."""
        requirements = self.path / folder / "requirements.txt"
        shared = venv.ensure(requirements).parents[1]
        engine.stamp(shared, requirements)
        (self.path / folder / ".venv").symlink_to(shared)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            **self.env,
            "PULUMI_BACKEND_URL": f"file://{self.backend}",
            "PULUMI_CONFIG_PASSPHRASE": "for tests only",
            "PULUMI_CONFIG_PASSPHRASE_FILE": "",
            **self.extra_env,
        }

    @property
    def config_file(self) -> Path:
        return self.path / f"Pulumi.{self.stack}.yaml"

    def pulumi(
        self, *arguments: str, check: bool = True, timeout: float = 600, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `pulumi` here. Raises AssertionError with everything it printed where `check` and it failed."""
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.path,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if check:
            assert done.returncode == 0, f"pulumi {' '.join(arguments)}: {done.stdout}\n{done.stderr}"
        return done

    def toolchain(self, command: str, *, stack: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command of the toolchain on this stack, or another, as `make COMMAND STACK=...` does."""
        done = subprocess.run(
            [sys.executable, "-m", "toolchain", command, "--stack", stack or self.stack],
            cwd=self.path,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=600,
        )
        if check:
            assert done.returncode == 0, f"toolchain {command}: {done.stdout}\n{done.stderr}"
        return done

    def begin_up(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `pulumi up` in a process group of its own and return at once; output goes to one pipe."""
        return subprocess.Popen(
            ["pulumi", "up", "--yes", "--skip-preview", "--stack", self.stack, *arguments, "--non-interactive"],
            cwd=self.path,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def up(self, *arguments: str, check: bool = True, timeout: float = 600) -> subprocess.CompletedProcess[str]:
        return self.pulumi(
            "up", "--yes", "--skip-preview", "--stack", self.stack, *arguments, check=check, timeout=timeout
        )

    def preview(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.pulumi("preview", "--stack", self.stack, *arguments, check=check)

    def outputs(self) -> dict[str, Any]:
        return json.loads(self.pulumi("stack", "output", "--json", "--stack", self.stack).stdout)

    def read_config(self) -> dict[str, Any]:
        return yaml.safe_load(self.config_file.read_text())

    def write_config(self, settings: Mapping[str, Any]) -> None:
        self.config_file.write_text(yaml.safe_dump(dict(settings), sort_keys=False))

    def set_config(self, **sections: Any) -> None:
        """Replace whole sections (`models=...`, `namespace=...`) of the stack's file; None takes a section out."""
        document = self.read_config()
        for section, value in sections.items():
            key = f"model-serving:{section}"
            if value is None:
                document["config"].pop(key, None)
            else:
                document["config"][key] = value
        self.write_config(document)
