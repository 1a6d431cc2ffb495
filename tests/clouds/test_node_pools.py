"""Node pools of the clouds against the SDKs that are pinned for them. Nothing here has been run in a cloud."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from toolchain import venv

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


@pytest.fixture(scope="module")
def python() -> Path:
    """A Python that has the SDKs of all clouds."""
    return venv.ensure(HERE / "requirements.txt")


def pyright(python: Path, target: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pyright", "--pythonpath", str(python), str(target)]
    environment = {**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)


def test_every_cloud_is_asked_for_the_golden_pools(python: Path, tmp_path: Path) -> None:
    """All inputs, to be read in a review. After a change on purpose, write the file again, with this Python:
    python -m tests.clouds.declare > tests/clouds/golden.yaml
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [python, "-m", "tests.clouds.declare"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load(done.stdout) == yaml.safe_load((HERE / "golden.yaml").read_text())


def test_their_inputs_are_of_the_types_that_the_sdks_take(python: Path) -> None:
    done = pyright(python, ROOT / "components/gpu_node_pool")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("from pulumi_gcp.container import NodePool\nNodePool('x', cluster=1)", '"cluster"'),
        ("from pulumi_aws.eks import NodeGroup\nNodeGroup('x', scaling_config={'most': 1})", '"scaling_config"'),
        (
            "from pulumi_azure_native.containerservice import AgentPool\nAgentPool('x', gpu_profile={'driver': 1})",
            '"gpu_profile"',
        ),
    ],
)
def test_a_wrong_input_is_found(python: Path, tmp_path: Path, wrong: str, told: str) -> None:
    (tmp_path / "wrong.py").write_text(wrong)
    done = pyright(python, tmp_path / "wrong.py")
    assert done.returncode == 1
    assert told in done.stdout
