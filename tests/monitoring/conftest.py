"""promtool, as a part of the toolchain that nothing else needs."""

import os
import shutil
from pathlib import Path

import pytest

from tests.monitoring.promtool import Promtool
from tests.support.cluster import toolchain
from toolchain.parts.install import bin_folder


@pytest.fixture(scope="session")
def promtool_program() -> str:
    """What is on PATH, or among the parts, or is installed now."""
    path = f"{bin_folder()}:{os.environ['PATH']}"
    if not shutil.which("promtool", path=path):
        toolchain("install", "prometheus")
    program = shutil.which("promtool", path=path)
    assert program, "promtool is not on PATH"
    return program


@pytest.fixture
def promtool(promtool_program: str, tmp_path: Path) -> Promtool:
    return Promtool(promtool_program, tmp_path)
