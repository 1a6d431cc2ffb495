"""What is run for a stack, seen by a Pulumi that writes down how it was called."""

import json
import sys
from pathlib import Path

import pytest

from tests.unit.toolchain.conftest import Program
from toolchain import cluster_memory, engine, operations, paths, services
from toolchain.errors import ToolchainError
from toolchain.progress import Progress
from toolchain.stack import Stack, load

RECORDER = """\
import json, os, sys
names = ("PULUMI_HOME", "PULUMI_BACKEND_URL", "KUBECONFIG", "BUILDX_CONFIG")
with open("{log}", "a") as log:
    log.write(json.dumps([sys.argv[1:], {{name: os.environ.get(name) for name in names}}]) + "\\n")
if sys.argv[1:3] == ["stack", "ls"]:
    print('[{{"name": "acme/shop/prod"}}]')
sys.exit(7 if "up" in sys.argv else 0)
"""


@pytest.fixture
def calls(program: Program, tmp_path: Path) -> Path:
    """A `pulumi` whose calls are lines of this file, and whose `up` fails with 7."""
    log = tmp_path / "calls.jsonl"
    (tmp_path / "recorder.py").write_text(RECORDER.format(log=log))
    program("pulumi", f'exec "{sys.executable}" -S -I "{tmp_path}/recorder.py" "$@"')
    return log


def stack(tmp_path: Path, cluster: str, name: str) -> Stack:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    (folder / f"Pulumi.{name}.yaml").write_text(f"config: {{'model-serving:cluster': {cluster}}}\n")
    return load(name, folder)


def test_a_stack_elsewhere_is_updated_with_the_users_own_everything(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("nothing may be installed or started")

    monkeypatch.setattr(operations.local, "install", never)
    monkeypatch.setattr(services, "start", never)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
    prod = stack(tmp_path, "production", "prod")
    before = prod.file.read_bytes()

    assert operations.up(prod, Progress()) == 7

    copy = paths.data() / "stacks" / "shop" / "prod.yaml"
    own = {
        "PULUMI_HOME": None,
        "PULUMI_BACKEND_URL": None,
        "KUBECONFIG": str(tmp_path / "absent"),
        "BUILDX_CONFIG": None,
    }
    assert [json.loads(line) for line in calls.read_text().splitlines()] == [
        [["stack", "ls", "--json", "--non-interactive"], own],
        [["up", "--stack", "prod", "--config-file", str(copy), "--yes", "--skip-preview"], own],
    ]
    assert prod.file.read_bytes() == before


def test_a_missing_stack_is_created_away_from_the_project(calls: Path, tmp_path: Path) -> None:
    test = stack(tmp_path, "production", "test")
    engine.prepare(test, Progress())
    created = json.loads(calls.read_text().splitlines()[-1])
    assert created[0] == ["stack", "init", "test", "--no-select", "--non-interactive"]


def test_without_pulumi_a_stack_elsewhere_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "search_path", lambda: str(tmp_path))
    with pytest.raises(ToolchainError, match="Pulumi is not installed"):
        engine.prepare(stack(tmp_path, "production", "prod"), Progress())


def test_a_failed_update_ends_with_pulumis_code_and_without_a_prediction(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
    assert operations.up(stack(tmp_path, "production", "prod"), Progress()) == 7
    assert "The pods could not be asked for the reason" in capfd.readouterr().err


@pytest.mark.parametrize("operation", [operations.preview, operations.destroy])
def test_preview_and_destroy_work_on_the_copy(operation, calls: Path, tmp_path: Path) -> None:
    assert operation(stack(tmp_path, "production", "prod"), Progress()) == 0
    arguments = json.loads(calls.read_text().splitlines()[-1])[0]
    assert arguments[0] == operation.__name__
    assert arguments[arguments.index("--config-file") + 1] == str(paths.data() / "stacks" / "shop" / "prod.yaml")


def test_a_cluster_that_is_another_one_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local, there = stack(tmp_path, "local", "dev"), ["first"]
    monkeypatch.setattr(cluster_memory, "_identity", lambda stack: there[0])
    assert not cluster_memory.changed(local)
    cluster_memory.remember(local)
    assert not cluster_memory.changed(local)
    there[0] = "second"
    assert cluster_memory.changed(local)
    monkeypatch.setenv("PULUMI_BACKEND_URL", "file:///another")
    assert not cluster_memory.changed(local)
    monkeypatch.delenv("PULUMI_BACKEND_URL")
    cluster_memory.forget(local)
    assert not cluster_memory.changed(local)
