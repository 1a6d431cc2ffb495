"""A stack as plain manifests, for GitOps and for scanners: one object a file, and no secret's value anywhere."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from toolchain import engine, local, stack_config, versions
from toolchain.errors import ToolchainError
from toolchain.kubernetes_plugin.objects import built_in_scope
from toolchain.progress import Progress, err, out
from toolchain.stack import NAMESPACE, Stack

_HEADER = "# Rendered from stack {stack} by `make render`: change the stack's configuration, not this file.\n"
_OURS = "# Rendered from stack "
_PLACEHOLDERS = "secrets"
_PLACEHOLDER = (
    "# A placeholder without data, and not in kustomization.yaml. A Secret of this name, with these keys, has to\n"
    "# be in the cluster, by whatever your team keeps secrets with:\n"
)
# So that the answer is the same whatever this machine has. Charts may ask for it.
_KUBERNETES_VERSION = f"v{versions.KUBERNETES}"


def render(stack: Stack, folder: Path, progress: Progress) -> int:
    """Write the stack's manifests into ``folder``, in place of those of a rendering before. Returns the exit code.

    Raises ToolchainError where an image was not built, another stack cannot be read, or the folder is somebody's.
    """
    request = _request(stack)
    python = engine.program_python(stack)
    if wanted := [name for name in ("helm", "cosign") if name in stack.addons]:
        local.install_addons(wanted, progress)
    environment = {**os.environ, **engine.environment(stack)}
    done = subprocess.run(
        [python, "-m", "components.render"],
        cwd=stack.file.parent,
        env=environment,
        input=json.dumps(request),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        return 1  # the program said why
    rendering = json.loads(done.stdout)
    objects, keys = rendering["objects"], rendering["keys"]
    for chart in rendering["charts"]:
        made = _chart_objects(chart, stack, environment)
        keys |= {_full_name(entry): _emptied(entry) for entry in made if entry["kind"] == "Secret"}
        objects += made
    files = _files(stack, objects, keys)
    _write(folder, files)
    for other in rendering["others"]:
        err.print(f"not rendered, it is no Kubernetes object: {other}", markup=False)
    for name in sorted(keys):
        err.print(f"to be made by hand or by an operator, it holds secrets: Secret {name}", markup=False)
    listed = sum(1 for name in files if "/" not in name) - 1
    out.print(f"{listed} objects: {folder}", markup=False)
    return 0


def _request(stack: Stack) -> dict[str, Any]:
    config = yaml.safe_load(stack_config.refresh(stack).read_text()).get("config") or {}
    config = {f"{NAMESPACE}:{key}": value for key, value in stack.settings.items()} | config
    secrets = [key for key, value in config.items() if _has_secret(value)]
    plain = {key: _text(value) for key, value in config.items() if key not in secrets}
    return {
        "stack": stack.name,
        "project": stack.project,
        "config": plain,
        "secrets": secrets,
        "images": _images(stack),
        "stacks": {name: engine.outputs(stack, name) for name in _other_stacks(stack)},
    }


def _has_secret(value: Any) -> bool:
    if isinstance(value, dict):
        return set(value) == {"secure"} or any(map(_has_secret, value.values()))
    return isinstance(value, list) and any(map(_has_secret, value))


def _text(value: Any) -> str:
    """A setting as Pulumi hands it to the program."""
    return value if isinstance(value, str) else json.dumps(value)


def _images(stack: Stack) -> dict[str, str]:
    """The images that the last update built, by the names that models have in the cluster."""
    wanted = [name for name, model in stack.models.items() if "source" in model]
    if not wanted:
        return {}
    try:
        models = engine.deployed_models(stack)
    except ToolchainError as error:
        models, why = {}, f": {error.why.splitlines()[0]}"
    else:
        why = ""
    built = {name: models[name]["image"] for name in wanted if name in models}
    if missing := [name for name in wanted if name not in built]:
        raise ToolchainError(
            f"render stack {stack.name}",
            f"models.{missing[0]} is built from its source, and no update of this stack has built it{why}",
            f"Run `make up STACK={stack.name}` first, or give models.{missing[0]}.image, a digest that another built.",
        )
    return {stack.served_name(name): image for name, image in built.items()}


def _other_stacks(stack: Stack) -> Iterator[str]:
    pools = stack.settings.get("nodePools")
    for pool in pools.values() if isinstance(pools, dict) else ():
        if isinstance(pool, dict) and pool.get("provider") == "stack" and pool.get("stack"):
            yield str(pool["stack"])
    if stack.monitoring.get("mode") == "stack" and stack.monitoring.get("stack"):
        yield str(stack.monitoring["stack"])


def _chart_objects(chart: Mapping[str, Any], stack: Stack, environment: Mapping[str, str]) -> list[dict[str, Any]]:
    """What Helm makes of a chart, as `helm template` does: of a cluster it knows nothing."""
    helm = shutil.which("helm", path=environment.get("PATH"))
    if helm is None:
        raise ToolchainError(
            f"render the chart {chart['name']}", "Helm is not installed", "Install Helm 3: https://helm.sh/docs/intro/"
        )
    command = [helm, "template", chart["name"], chart["chart"], "--no-hooks", "--values=-"]
    command += [f"--kube-version={_KUBERNETES_VERSION}", *(["--include-crds"] if chart["crds"] else [])]
    for flag, key in (("namespace", "namespace"), ("version", "version"), ("repo", "repository")):
        command += [f"--{flag}={chart[key]}"] if chart[key] else []
    done = subprocess.run(
        command,
        cwd=stack.file.parent,
        env=environment,
        input=json.dumps(chart["values"]),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ToolchainError(f"render the chart {chart['name']}", done.stderr.strip().removeprefix("Error: "))
    objects = [entry for entry in yaml.safe_load_all(done.stdout) if entry]
    scopes = {
        (entry["spec"]["group"], entry["spec"]["names"]["kind"]): entry["spec"]["scope"] == "Namespaced"
        for entry in objects
        if entry["kind"] == "CustomResourceDefinition"
    }
    for entry in objects:
        kind = entry["apiVersion"].rpartition("/")[0], entry["kind"]
        if chart["namespace"] and scopes.get(kind, built_in_scope(*kind)):
            entry["metadata"].setdefault("namespace", chart["namespace"])
    return objects


def _emptied(secret: dict[str, Any]) -> list[str]:
    """The keys of a Secret, which has no data any more."""
    secret.pop("immutable", None)
    return sorted({*(secret.pop("data", None) or {}), *(secret.pop("stringData", None) or {})})


def _full_name(entry: Mapping[str, Any]) -> str:
    return f"{entry['metadata'].get('namespace', '')}/{entry['metadata']['name']}"


def _files(stack: Stack, objects: Iterable[dict[str, Any]], keys: Mapping[str, list[str]]) -> dict[str, str]:
    """The files of a rendering by their names, each with one object."""
    header = _HEADER.format(stack=stack.name)
    files: dict[str, str] = {}
    for entry in objects:
        metadata = entry["metadata"]
        namespace = metadata.get("namespace", "")
        name = f"{entry['kind']}-{metadata['name']}".lower().replace(":", "-")
        if namespace not in ("", stack.namespace):
            name = f"{namespace}-{name}"
        comment = header
        if entry["kind"] == "Secret":
            name = f"{_PLACEHOLDERS}/{name}"
            literals = "".join(f" --from-file={key}=FILE" for key in keys[_full_name(entry)])
            command = f"kubectl create secret generic {metadata['name']} --namespace={namespace}{literals}"
            comment += f"{_PLACEHOLDER}#   {command}\n"
        if f"{name}.yaml" in files:
            name = f"{name}-{entry['apiVersion'].partition('/')[0]}"
        files[f"{name}.yaml"] = comment + yaml.safe_dump(entry, width=120)  # sorted: the SDK's order is random
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": sorted(name for name in files if "/" not in name),
    }
    files["kustomization.yaml"] = header + yaml.safe_dump(kustomization, sort_keys=False)
    return files


def _write(folder: Path, files: Mapping[str, str]) -> None:
    before = [path for path in (*folder.glob("*"), *folder.glob(f"{_PLACEHOLDERS}/*")) if path.is_file()]
    if strange := [path.name for path in before if not path.read_text(errors="replace").startswith(_OURS)]:
        raise ToolchainError(
            f"write into {folder}", f"it holds {strange[0]}, which no rendering wrote", "Give another OUT=<folder>."
        )
    for path in before:
        path.unlink()
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
