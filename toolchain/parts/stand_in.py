"""Our stand-ins for Pulumi's plugins, for machines where the official ones cannot be had."""

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from toolchain import paths
from toolchain.progress import Step

_ENTER = (
    "import sys, runpy; sys.path.insert(0, sys.argv.pop(1)); "
    "runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)


@dataclass(frozen=True)
class StandIn:
    """A launcher for one of our own plugins, which runs under the toolchain's own Python."""

    name: str
    module: str

    @property
    def label(self) -> str:
        return f"our own stand-in ({self.module.replace('.', '/')})"

    def available(self) -> bool:
        return True

    def missing(self) -> list[str]:
        return []

    def obtain(self, folder: Path, step: Step, tools: Path) -> None:
        # The folder is put on Python's path by an argument: an environment variable would reach what the plugin runs.
        words = [sys.executable, "-c", _ENTER, str(paths.REPOSITORY), self.module]
        launcher = folder / self.name
        launcher.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        launcher.chmod(0o755)
