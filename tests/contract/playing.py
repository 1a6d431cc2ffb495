"""Plays a program with the real engine and says what happened in the recording's own terms."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolchain.versions import KUBERNETES_PLUGIN

ROOT = Path(__file__).resolve().parents[2]
RECORDED = Path(__file__).parent / "recorded"
PROJECT, STACK = "behaviour", "rec"

_MADE_UP_NAME = re.compile(r"\b([a-z]+)-[0-9a-f]{8}(?:-[a-z0-9]{6,10})?(?:-[a-z0-9]{5})?\b")
_GIST_LENGTH = 70


@dataclass
class Outcome:
    """What one command did: exit code, operations, warnings and errors."""

    rc: int
    ops: list[dict[str, Any]]
    diagnostics: list[dict[str, str]] = field(default_factory=list)

    @classmethod
    def recorded(cls, step: Mapping[str, Any]) -> "Outcome":
        """The outcome that a step of a recording describes, without what a later recording adds to it."""
        return cls(step["rc"], [dict(op) for op in step["ops"]], step.get("diagnostics", []))

    def operations(self) -> list[str]:
        """The operations without their order, in which the engine is free for resources that do not depend."""
        return sorted(json.dumps({**op, "name": _without_made_up(op["name"])}, sort_keys=True) for op in self.ops)

    def errors(self) -> list[tuple[str, list[str]]]:
        """Errors by resource, each as the gists of its parts."""
        return sorted((d["on"], gists(d["message"])) for d in self.diagnostics if d["severity"] == "error")

    def warnings(self) -> set[tuple[str, str]]:
        """Warnings by resource; which of the passing ones are seen depends on timing."""
        return {(d["on"], gist) for d in self.diagnostics if d["severity"] == "warning" for gist in gists(d["message"])}


def gists(message: str) -> list[str]:
    """What a message says, without names, without the node's words about its registry, and without long endings."""
    parts = re.split(r"\n\s*\* ", message.strip())
    return [_gist(part) for part in parts]


def _gist(text: str) -> str:
    text = re.sub(r"(with unready status: \[\w+\]).*", r"\1", text, flags=re.S)
    text = re.sub(r"(cluster is unreachable): .*", r"\1", text, flags=re.S)
    return _without_made_up(text)[:_GIST_LENGTH]


def _without_made_up(text: str) -> str:
    return _MADE_UP_NAME.sub(r"\1-*", text)


@dataclass
class Player:
    """One stack of the recorded program, with a plugin cache and a state of its own."""

    folder: Path
    env: dict[str, str]

    @classmethod
    def create(
        cls, folder: Path, env: Mapping[str, str], kubeconfig: Path, image: str, program: Path = RECORDED / "program.py"
    ) -> "Player":
        """Lay out the project and install the plugin.

        Args:
            folder: empty folder.
            env: what `pulumi` needs; PATH is complete.
            kubeconfig: of the cluster to play on.
            image: any image with /bin/sleep and /bin/true.
            program: what to play; its stack config value `step` selects what it declares.
        """
        project = folder / "project"
        shutil.copytree(RECORDED / "chart", project / "chart")
        shutil.copyfile(program, project / "__main__.py")
        (project / "Pulumi.yaml").write_text(f"name: {PROJECT}\nruntime: python\n")
        (folder / "state").mkdir()
        python = str(Path(sys.executable).parent)
        player = cls(
            folder,
            {
                **env,
                "PATH": os.pathsep.join([python, env.get("PATH") or os.environ["PATH"]]),
                "KUBECONFIG": str(kubeconfig),
                "PROBE_IMAGE": image,
                "PULUMI_HOME": str(folder / "home"),
                "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
                "PULUMI_CONFIG_PASSPHRASE": "contract",
                "PULUMI_CONFIG_PASSPHRASE_FILE": "",
                "PULUMI_SKIP_UPDATE_CHECK": "true",
                "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
                # An installed plugin and nothing from PATH: the engine warns about what it takes from there.
                "PULUMI_IGNORE_AMBIENT_PLUGINS": "true",
                # The recording's previews are event streams, as its updates are.
                "PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "true",
            },
        )
        player.pulumi("plugin", "install", "resource", "kubernetes", KUBERNETES_PLUGIN, "--file", str(_plugin(folder)))
        player.pulumi("stack", "init", STACK)
        return player

    def pulumi(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `pulumi` in the project."""
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.folder / "project",
            env={**os.environ, **self.env},
            capture_output=True,
            text=True,
            timeout=900,
        )
        assert not check or done.returncode == 0, f"pulumi {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}"
        return done

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start `pulumi` in the project, to be interrupted."""
        return subprocess.Popen(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.folder / "project",
            env={**os.environ, **self.env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def at(self, step: str) -> None:
        """Set the program to a step of the recording."""
        self.pulumi("config", "set", "step", step)

    def run(self, command: str) -> Outcome:
        """Run a command line as the recording writes it, `pulumi up -y --json`, and read its events."""
        words = command.split()
        assert words.pop(0) == "pulumi"
        done = self.pulumi(*words, check=False)
        return _outcome(done.returncode, done.stdout, done.stderr)

    def preview(self) -> Outcome:
        """Preview as the recording did."""
        return self.run("pulumi preview --json --diff")

    def up(self) -> Outcome:
        """Update as the recording did."""
        return self.run("pulumi up --yes --json --skip-preview")

    def state(self) -> list[dict[str, Any]]:
        """The resources in the stack's state, secrets encrypted."""
        return json.loads(self.pulumi("stack", "export").stdout)["deployment"]["resources"]


def _plugin(folder: Path) -> Path:
    """The plugin to play with: the one that KUBERNETES_PLUGIN names, as the official one, or the stand-in."""
    if given := os.environ.get("KUBERNETES_PLUGIN"):
        return Path(given)
    launcher = folder / "pulumi-resource-kubernetes"
    launcher.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m toolchain.kubernetes_plugin "$@"\n')
    launcher.chmod(0o755)
    return launcher


def _outcome(rc: int, stdout: str, stderr: str) -> Outcome:
    outcome = Outcome(rc, [])
    for line in filter(None, stdout.splitlines()):
        try:
            event = json.loads(line)
        except json.JSONDecodeError:
            raise AssertionError(f"not an event: {line}\n{stderr}") from None
        if "resourcePreEvent" in event:
            operation = _operation(event["resourcePreEvent"]["metadata"])
            if operation["op"] != "same":
                outcome.ops.append(operation)
        elif "diagnosticEvent" in event:
            said = event["diagnosticEvent"]
            if said["severity"] in ("warning", "error"):
                on = said.get("urn", "").rpartition("::")[2]
                outcome.diagnostics.append({"severity": said["severity"], "on": on, "message": said["message"].strip()})
    return outcome


def _operation(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """An engine's event in the recording's form, which leaves out what is empty."""
    _, _, type_, name = metadata["urn"].split("::", 3)
    detailed = {path: change["diffKind"] for path, change in (metadata.get("detailedDiff") or {}).items()}
    found = {
        "op": metadata["op"],
        "type": type_.rpartition("$")[2],
        "name": name,
        "detailedDiff": detailed,
        "diffs": [] if detailed else _names(metadata.get("diffs")),
        "replaceKeys": _names(metadata.get("keys")),
    }
    return {key: value for key, value in found.items() if value or key in ("op", "type", "name")}


def _names(keys: Sequence[str] | None) -> list[str]:
    return list(keys or [])
