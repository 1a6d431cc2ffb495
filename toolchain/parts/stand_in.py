"""The stand-in for the Kubernetes plugin, for machines where the official one cannot be had."""

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from toolchain import paths
from toolchain.progress import Step

_ENTER = "import sys, runpy; sys.path.insert(0, sys.argv.pop(1)); runpy.run_module('toolchain.kubernetes_plugin', run_name='__main__', alter_sys=True)"  # noqa: E501


@dataclass(frozen=True)
class StandIn:
    """A launcher for toolchain/kubernetes_plugin that runs under the toolchain's own Python."""

    name: str

    @property
    def label(self) -> str:
        return "our own stand-in (toolchain/kubernetes_plugin)"

    def available(self) -> bool:
        return True

    def missing(self) -> list[str]:
        return []

    def obtain(self, folder: Path, step: Step, tools: Path) -> None:
        # The folder is put on Python's path by an argument: an environment variable would reach what the plugin runs.
        words = [sys.executable, "-c", _ENTER, str(paths.REPOSITORY)]
        launcher = folder / self.name
        launcher.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        launcher.chmod(0o755)
