"""Running Pulumi on a stack, in an environment that leaves the user's own folders alone."""

import contextlib
import hashlib
import json
import os
import secrets
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from toolchain import local, paths, shell, stack_config, venv
from toolchain.errors import ToolchainError
from toolchain.parts.detect import search_path
from toolchain.parts.install import bin_folder
from toolchain.progress import Progress, err, out
from toolchain.services import builder
from toolchain.stack import NAMESPACE, Stack

_STAMP = ".requirements.sha256"
# The policy pack, a folder of the project.
_POLICIES = "policy"
_INSTALL = "Install it: https://www.pulumi.com/docs/install/"


def environment(stack: Stack) -> dict[str, str]:
    """The variables that Pulumi gets on top of this process's own, for ``stack``.

    A stack that is not local gets none: its backend, kubeconfig and builder are the user's own.
    """
    if not stack.local:
        return {}
    data = paths.data()
    variables = {
        "PATH": os.pathsep.join([str(bin_folder()), os.environ.get("PATH", "")]),
        "PULUMI_HOME": str(paths.pulumi_home()),
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "BUILDX_CONFIG": str(builder.configuration_folder(data)),
    }
    if not os.environ.get("PULUMI_BACKEND_URL"):
        variables["PULUMI_BACKEND_URL"] = f"file://{data / 'state'}"
    if not os.environ.get("PULUMI_CONFIG_PASSPHRASE") and not os.environ.get("PULUMI_CONFIG_PASSPHRASE_FILE"):
        variables["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(data / "passphrase")
    if kubeconfig := local.kubeconfig():
        variables["KUBECONFIG"] = str(kubeconfig)
    return variables


def backend(stack: Stack) -> str:
    """URL of the backend that has the stack's state, empty where it is Pulumi's own choice."""
    return environment(stack).get("PULUMI_BACKEND_URL") or os.environ.get("PULUMI_BACKEND_URL", "")


def prepare_backend() -> None:
    """Make the folder of the local stacks' state, and the passphrase of their secrets."""
    for folder in (paths.data() / "state", paths.pulumi_home()):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _ensure_passphrase(paths.data() / "passphrase")


def prepare(stack: Stack, progress: Progress, *, with_policies: bool = True) -> None:
    """Make the virtual environments, and the stack where its backend has none. Raises ToolchainError."""
    if not stack.local and shutil.which("pulumi", path=search_path()) is None:
        raise ToolchainError(
            f"stack {stack.name}",
            "Pulumi is not installed, and tools are installed for stacks with `cluster: local` only",
            _INSTALL,
        )
    _ensure_virtualenv(stack, progress, with_policies=with_policies)
    _ensure_stack(stack)


def program_python(stack: Stack) -> Path:
    """A Python with the program's requirements: that of its virtual environment, or one of ours. Raises ToolchainError.

    Unlike `prepare`, it needs no Pulumi.
    """
    requirements = stack.file.parent / "requirements.txt"
    if stack.virtualenv is not None and _is_current(stack.virtualenv, requirements):
        return stack.virtualenv / "bin" / "python"
    return venv.ensure(requirements)


def _ensure_passphrase(file: Path) -> None:
    if file.exists():
        return
    # Whole at once, with its final rights, and never overwritten: what it encrypted could not be read again.
    with tempfile.NamedTemporaryFile("w", dir=file.parent, prefix=f".{file.name}-") as fresh:
        fresh.write(secrets.token_urlsafe(32))
        fresh.flush()
        with contextlib.suppress(FileExistsError):
            file.hardlink_to(fresh.name)


def _ensure_virtualenv(stack: Stack, progress: Progress, *, with_policies: bool) -> None:
    """What ``pulumi install`` does, in less time, once for each content of requirements.txt."""
    folder = stack.file.parent
    if stack.virtualenv is not None:
        _ensure_installed(stack, folder, stack.virtualenv, "install what the program requires", progress)
    if with_policies and policies(stack):
        _ensure_installed(
            stack, folder / _POLICIES, folder / _POLICIES / ".venv", "install what the policies require", progress
        )


def _ensure_installed(stack: Stack, folder: Path, virtualenv: Path, what: str, progress: Progress) -> None:
    requirements = folder / "requirements.txt"
    if not requirements.exists():
        return
    if _is_current(virtualenv, requirements):
        return
    with _made_whole(virtualenv), progress.step(what):
        venv.install(virtualenv, requirements)
        stamp(virtualenv, requirements)


def stamp(virtualenv: Path, requirements: Path) -> None:
    """Say of a virtual environment that it has what is required: it is not installed again."""
    (virtualenv / _STAMP).write_text(_hash(requirements))


def _is_current(virtualenv: Path, requirements: Path) -> bool:
    said = virtualenv / _STAMP
    return (virtualenv / "bin" / "python").exists() and said.exists() and said.read_text() == _hash(requirements)


def _hash(requirements: Path) -> str:
    return hashlib.sha256(requirements.read_bytes()).hexdigest()


@contextlib.contextmanager
def _made_whole(folder: Path) -> Iterator[None]:
    """Make the new ``folder`` in the block: whole, or not at all. One that was there before is not removed."""
    making = paths.data() / "making" / hashlib.sha256(bytes(folder)).hexdigest()[:12]
    if making.exists():  # the run that began it was killed
        shutil.rmtree(folder, ignore_errors=True)
    if not folder.exists():
        making.parent.mkdir(parents=True, exist_ok=True)
        making.touch()
    try:
        yield
    except BaseException:
        if making.exists():
            shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        making.unlink(missing_ok=True)


def exists(stack: Stack) -> bool:
    """Whether the backend has the stack."""
    backend = environment(stack).get("PULUMI_BACKEND_URL", "")
    if backend.startswith("file://"):
        # Looked for in its own place: asking Pulumi for it would take half a second of every command.
        state = Path(backend.removeprefix("file://")) / ".pulumi" / "stacks" / stack.project
        return any((state / f"{stack.name}.{kind}").exists() for kind in ("json", "json.gz"))
    listed = json.loads(capture(stack, ["stack", "ls", "--json"]))
    return stack.name in {str(entry["name"]).rpartition("/")[2] for entry in listed}


def _ensure_stack(stack: Stack) -> None:
    if exists(stack):
        return
    with tempfile.TemporaryDirectory() as folder:
        # In a folder of its own: `stack init` writes a salt into the stack file beside Pulumi.yaml.
        shutil.copy(stack.file.parent / "Pulumi.yaml", folder)
        shell.run(
            ["pulumi", "stack", "init", stack.name, "--no-select", "--non-interactive"],
            f"create stack {stack.name}",
            environment=environment(stack),
            folder=Path(folder),
        )


def capture(stack: Stack, arguments: Sequence[str]) -> str:
    """Standard output of a quick Pulumi command. Raises ToolchainError with what it said when it fails."""
    variables = {**os.environ, **environment(stack)}
    if shutil.which("pulumi", path=variables.get("PATH")) is None:
        todo = "Run: python3 -m toolchain install" if stack.local else _INSTALL
        raise ToolchainError(f"pulumi {' '.join(arguments)}", "Pulumi is not installed", todo)
    done = subprocess.run(
        ["pulumi", *arguments, "--non-interactive"],
        cwd=stack.file.parent,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ToolchainError(f"pulumi {' '.join(arguments)}", done.stderr.strip() or f"ended with {done.returncode}")
    return done.stdout


def outputs(stack: Stack, other: str = "") -> dict[str, Any]:
    """The stack's outputs, or those of another one in the same backend; empty before the first successful update."""
    return json.loads(capture(stack, ["stack", "output", "--json", "--stack", other or stack.name]) or "{}")


def deployed_models(stack: Stack) -> dict[str, dict[str, Any]]:
    """What the stack's outputs say of each model; {} before its first update."""
    return outputs(stack).get("models") or {} if exists(stack) else {}


def deployed_model(stack: Stack, model: str, step: str) -> dict[str, Any]:
    """What the stack's outputs say of a model. Raises ToolchainError, about ``step``, where it is not deployed."""
    models = deployed_models(stack)
    if model not in models:
        known = ", ".join(models) or "none"
        raise ToolchainError(step, f"stack {stack.name} has not deployed it; its models: {known}", "Give MODEL=<name>.")
    return models[model]


def policies(stack: Stack) -> list[str]:
    """The options that hold a stack against the project's policies, with the stack's own settings of them."""
    folder = stack.file.parent / _POLICIES
    if not (folder / "PulumiPolicy.yaml").exists():
        return []
    options = ["--policy-pack", _POLICIES]
    if (folder / f"{stack.name}.json").exists():
        options += ["--policy-pack-config", f"{_POLICIES}/{stack.name}.json"]
    return options


def kubeconfig(stack: Stack) -> str:
    """The kubeconfig of a stack that names none of the machine's: a secret of its own, or another stack's output.

    Raises ToolchainError where Pulumi cannot give it, or it is empty.
    """
    cluster = stack.settings.get("cluster")
    cluster = cluster if isinstance(cluster, dict) else {}
    origin = cluster.get("from")
    if isinstance(origin, dict):
        name, output = str(origin.get("stack")), str(origin.get("output", "kubeconfig"))
        content = capture(stack, ["stack", "output", output, "--show-secrets", "--stack", name])
    else:
        key, copy = f"{NAMESPACE}:{cluster.get('kubeconfig')}", stack_config.refresh(stack)
        content = capture(stack, ["config", "get", key, "--stack", stack.name, "--config-file", str(copy)])
    if not content.strip():
        raise ToolchainError(f"reach the cluster of stack {stack.name}", "its kubeconfig is empty")
    return content


def operate(
    stack: Stack,
    operation: str,
    arguments: Sequence[str],
    event_log: Path | None = None,
    *,
    force: bool = False,
) -> int:
    """Run ``pulumi up``, ``preview`` or ``destroy`` in the foreground, printing the exact command. Returns its code.

    With ``event_log``, the engine also writes its events there, as it does for Pulumi's Automation API. With ``force``,
    fields that another manager has set are taken back from it.
    """
    copy = stack_config.refresh(stack)
    command = ["pulumi", operation, "--stack", stack.name, "--config-file", str(copy), *arguments]
    if operation in ("up", "preview"):
        command += policies(stack)
    variables = environment(stack)
    if force:
        variables["PULUMI_K8S_ENABLE_PATCH_FORCE"] = "true"
    out.print(f"$ {printable(command, variables)}", style="bold", markup=False)
    if event_log is not None:
        command += ["--event-log", str(event_log)]
        variables = {**variables, "PULUMI_DEBUG_COMMANDS": "true"}
    return shell.foreground(command, folder=stack.file.parent, environment={**os.environ, **variables})


def events(stack: Stack, operation: str, arguments: Sequence[str]) -> tuple[int, str]:
    """Run ``pulumi preview`` or another operation with ``--json``. Returns its exit code, and its events, a line each.

    Secret values are not among them: Pulumi writes "[secret]" in their place.
    """
    copy = stack_config.refresh(stack)
    command = ["pulumi", operation, "--json", "--stack", stack.name, "--config-file", str(copy), *arguments]
    if operation == "preview":
        command += policies(stack)
    # Without it, `--json` tells nothing of outputs and policies.
    variables = {**environment(stack), "PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "true"}
    err.print(f"$ {printable(command, variables)}", style="bold", markup=False)
    with tempfile.TemporaryFile("w+") as output:
        code = shell.foreground(
            command, folder=stack.file.parent, environment={**os.environ, **variables}, output=output
        )
        output.seek(0)
        return code, output.read()


def printable(command: Sequence[str], variables: Mapping[str, str]) -> str:
    """A command with its variables as it can be pasted into a shell."""
    words = [f"{name}={_quote(name, value)}" for name, value in variables.items()]
    return " ".join([*words, shlex.join(command)])


def exports(variables: Mapping[str, str]) -> str:
    """The variables as lines for a shell's ``eval``."""
    return "\n".join(f"export {name}={_quote(name, value)}" for name, value in variables.items())


def _quote(name: str, value: str) -> str:
    if name == "PATH":
        return f'{shlex.quote(value.partition(os.pathsep)[0])}:"$PATH"'
    return shlex.quote(value)
