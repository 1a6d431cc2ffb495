"""The command line as a user meets it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.toolchain.conftest import Program
from toolchain import paths, venv
from toolchain.errors import ToolchainError

ENTER = "import sys; sys.path.insert(0, sys.argv.pop(1)); from toolchain.cli import run; run()"


def run(*arguments: str, folder: Path = paths.REPOSITORY) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", ENTER, str(paths.REPOSITORY), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_an_unknown_stack_is_one_message_and_no_traceback() -> None:
    done = run("up", "--stack", "nowhere")
    assert done.returncode == 1
    assert done.stderr.startswith("error: stack nowhere: there is no Pulumi.nowhere.yaml; known stacks: dev")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["down", "start"])
def test_services_are_a_local_stacks_business(command: str, tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "toolchain").symlink_to(paths.REPOSITORY / "toolchain")
    (checkout / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    (checkout / "Pulumi.prod.yaml").write_text("config: {'model-serving:cluster': production}\n")
    code = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); from pathlib import Path; from toolchain import stack, cli;"
        "load = stack.load; stack.load = lambda name: load(name, Path.cwd()); cli.run()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(paths.REPOSITORY), command, "--stack", "prod"],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "its cluster is 'production', not local" in done.stderr
    assert not paths.data().exists()


def dry_run(target: str, *variables: str) -> str:
    """What make would run. The settings of a make that runs the tests are not for this one."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", "--dry-run", "--no-print-directory", target, *variables]
    return subprocess.run(
        command, cwd=paths.REPOSITORY, env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.mark.parametrize("target", ["up", "preview", "predict", "status", "report", "destroy", "down"])
def test_make_calls_a_command_for_a_stack(target: str) -> None:
    assert dry_run(target) == f'python3 -m toolchain {target} --stack "dev"'
    assert dry_run(target, "STACK=staging") == f'python3 -m toolchain {target} --stack "staging"'


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (("predict", "MODEL=digits"), 'predict --stack "dev" --model "digits"'),
        (("report", "PROMETHEUS=http://127.0.0.1:9090"), 'report --stack "dev" --prometheus "http://127.0.0.1:9090"'),
        (("check",), "check"),
        (("test",), "test"),
        (("doctor",), "doctor"),
        (("audit",), "audit"),
        (("update",), "update"),
        (("scan", "MODEL=digits"), 'scan --stack "dev" --model "digits"'),
        (("scan", "SBOM=a.json", "DATABASE=osv"), 'scan --sbom "a.json" --database "osv"'),
        (("update", "WHAT=policy toolchain/modules/helm"), "update policy toolchain/modules/helm"),
        (("audit", "ADVISORIES=http://127.0.0.1:1"), 'audit --advisories "http://127.0.0.1:1"'),
        (("bench", "NAME=preview"), 'bench "preview"'),
        (("bench", "NAME=preview", "JSON=out.json"), 'bench "preview" --json "out.json"'),
    ],
)
def test_make_calls_a_command(arguments: tuple[str, ...], command: str) -> None:
    assert dry_run(*arguments) == f"python3 -m toolchain {command}"


def test_the_entry_point_needs_nothing_but_python() -> None:
    """Until the virtual environment exists, only the standard library may be imported."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "import toolchain.__main__, toolchain.venv;"
        "names = {name.partition('.')[0] for name in sys.modules};"
        "print(sorted(names - set(sys.stdlib_module_names) - {'toolchain', '__main__'}))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(paths.REPOSITORY)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_virtual_environment_that_cannot_be_made_is_one_message(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requirements = tmp_path / "toolchain" / "requirements.txt"
    requirements.parent.mkdir()
    requirements.write_text("some-package==1.0\n")
    monkeypatch.setattr(
        sys, "executable", str(program("python-without-venv", "echo ensurepip is not available; exit 1"))
    )
    with pytest.raises(ToolchainError) as caught:
        venv.ensure(requirements)
    message = str(caught.value)
    assert message.startswith("install toolchain/requirements.txt")
    assert "ensurepip is not available" in message
    assert "python3-venv" in message
    assert not any((paths.cache() / "venvs").glob("toolchain-*"))
