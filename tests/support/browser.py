"""A real browser without a screen."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from toolchain.parts.build import DebianPackages
from toolchain.progress import Step

_NAMES = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class Opened:
    """A page as the browser had it: its tree after the load, a picture, and what the page's console said."""

    tree: str
    picture: Path
    console: list[str]


def browser() -> str:
    """Chromium's or Chrome's path: of this machine, or of Debian's package, which is installed. Skips without one."""
    package = DebianPackages(("chromium",))
    if not any(map(shutil.which, _NAMES)) and package.available() and not package.missing():
        package.obtain(Path(), Step("chromium"), Path())
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    return found or pytest.skip("there is no Chromium or Chrome, and no right to install Debian's")


def open_page(file: Path, scratch: Path, *, width: int = 1280, height: int = 1400) -> Opened:
    """Open a file in a browser of its own, with a profile and a home in `scratch`."""
    picture = scratch / f"{file.stem}.png"
    scratch.mkdir(parents=True, exist_ok=True)
    options = [
        "--headless",
        "--no-sandbox",  # which root cannot have
        "--disable-gpu",
        "--hide-scrollbars",
        "--enable-logging=stderr",
        f"--user-data-dir={scratch / 'profile'}",
        f"--window-size={width},{height}",
    ]

    def run(what: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [browser(), *options, what, file.resolve().as_uri()],
            env={**os.environ, "HOME": str(scratch)},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done

    tree = run("--dump-dom")
    run(f"--screenshot={picture}")
    return Opened(tree.stdout, picture, re.findall(r"CONSOLE.*", tree.stderr))
