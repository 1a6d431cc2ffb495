"""Writing a stack's Compose project: the file, and what it mounts."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from toolchain import engine, stack_config
from toolchain.errors import ToolchainError
from toolchain.parts import catalog
from toolchain.parts.install import install
from toolchain.progress import Progress, out
from toolchain.stack import NAMESPACE, Stack

# Below the project's folder, and none of Git's business: there are secrets in it.
FOLDER = "compose"
_CHANGED = "model-serving/secrets-changed"


def compose(stack: Stack, progress: Progress) -> Path:
    """Write the project of a stack and return its file.

    Raises ToolchainError for mistakes in the stack's configuration, models that are not built, and secrets whose
    values are not in it.
    """
    if stack.local:
        install(catalog.engine_parts(), progress)
        engine.prepare_backend()
    engine.prepare(stack, progress, with_policies=False)
    config = _configuration(stack)
    answer = _project(stack, config)
    folder = stack.file.parent / FOLDER / stack.name
    secrets = _Secrets(folder, {key: str(entry.get("value", "")) for key, entry in config.items()})
    secrets.write(answer["secretFiles"], answer["secretVariables"])
    for path, content in answer["files"].items():
        _write(folder / path, content, 0o644)
    document = answer["document"]
    _note_changes(folder, document)
    file = folder / "compose.yaml"
    shown = file.relative_to(stack.file.parent)
    text = yaml.safe_dump(document, sort_keys=False, width=120)
    _write(file, "\n".join([*_comment(stack, shown, answer["leftOut"]), text]), 0o644)
    out.print(f"$ docker compose -f {shown} up --wait", style="bold", markup=False)
    return file


def _configuration(stack: Stack) -> dict[str, dict[str, Any]]:
    """The stack's configuration as Pulumi has it, secrets in plain text."""
    copy = stack_config.refresh(stack)
    arguments = ["config", "--json", "--show-secrets", "--stack", stack.name, "--config-file", str(copy)]
    return json.loads(engine.capture(stack, arguments) or "{}")


def _project(stack: Stack, config: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What components/compose.py makes of the stack: under the program's own Python, which knows its sections."""
    built = any(model.get("source") is not None for model in stack.models.values())
    models = engine.outputs(stack).get("models", {}) if built else {}
    request = {
        "stack": stack.name,
        "project": stack.project,
        "config": {key: entry.get("value", "") for key, entry in config.items()},
        "secretKeys": [key for key, entry in config.items() if entry.get("secret")],
        "images": {name: entry["image"] for name, entry in models.items()},
    }
    python = stack.virtualenv / "bin" / "python" if stack.virtualenv else Path(sys.executable)
    done = subprocess.run(
        [python, "-m", "components.compose"],
        cwd=stack.file.parent,
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ToolchainError(f"write the Compose project of stack {stack.name}", done.stderr.strip())
    return json.loads(done.stdout)


class _Secrets:
    """The folder of a project's secrets, which nobody but its owner may enter."""

    def __init__(self, folder: Path, values: Mapping[str, str]) -> None:
        self._folder, self._values = folder, values
        self._lacking: list[str] = []

    def write(self, files: Mapping[str, Any], variables: Mapping[str, Mapping[str, Any]]) -> None:
        """Write every secret, and delete those of before.

        Raises ToolchainError with every value that has to be put there by hand.
        """
        for path, source in files.items():
            value = self._value(source, path)
            if value is not None:
                # Whoever the container's user is must read it, and gets to it past the folder.
                self._put(path, value, 0o444)
        for path, entries in variables.items():
            values = {name: self._value(source, f"{path}.d/{name}") for name, source in entries.items()}
            self._put(path, "".join(_line(name, value) for name, value in values.items() if value is not None), 0o600)
        by_hand = {f"{path}.d/{name}" for path, entries in variables.items() for name in entries}
        self._delete_but({*files, *variables, *by_hand})
        if self._lacking:
            raise ToolchainError(
                "write the secrets of the Compose project",
                "these values are not in the stack's configuration:\n" + "\n".join(self._lacking),
                "Write each into its file, and run the command again.",
            )

    def _value(self, source: Mapping[str, Any], path: str) -> str | None:
        if source["config"]:
            return self._values[f"{NAMESPACE}:{source['config']}"]
        file = self._folder / path
        if not file.exists():
            self._make_folder(file)
            self._lacking.append(f"  - {file}: {source['elsewhere']}")
            return None
        return file.read_text()

    def _put(self, path: str, content: str, mode: int) -> None:
        file = self._folder / path
        self._make_folder(file)
        _write(file, content, mode)

    def _make_folder(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        (self._folder / "secrets").chmod(0o700)

    def _delete_but(self, kept: Iterable[str]) -> None:
        known = {self._folder / path for path in kept}
        for file in (self._folder / "secrets").rglob("*"):
            if file.is_file() and file not in known:
                file.unlink()


def _line(name: str, value: str) -> str:
    r"""A variable for an env_file: in double quotes Compose knows \\, \" and \$, and takes all else as it is."""
    quoted = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'{name}="{quoted}"\n'


def _write(file: Path, content: str, mode: int) -> None:
    """Write a file unless it holds that already: whole, and never readable by more than it shall be."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError):
        if file.read_text() == content:
            file.chmod(mode)
            return
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as opened:
        opened.write(content)
    fresh.chmod(mode)
    fresh.replace(file)


def _note_changes(folder: Path, document: Mapping[str, Any]) -> None:
    """Label each service with the time of its newest secret: Compose makes new containers for another label only."""
    for service in document["services"].values():
        paths = [folder / document["secrets"][secret["source"]]["file"] for secret in service.get("secrets", ())]
        if paths:
            newest = max(path.stat().st_mtime for path in paths)
            written = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(newest))
            service["labels"] = {**service.get("labels", {}), _CHANGED: written}


def _comment(stack: Stack, file: Path, left_out: Iterable[str]) -> list[str]:
    return [
        f"# Made by `make compose STACK={stack.name}` of {stack.file.name}, which is where changes belong. Run it:",
        f"#   docker compose -f {file} up --wait",
        "# What is another here than in a cluster:",
        *(f"# - {line}" for line in left_out),
    ]
