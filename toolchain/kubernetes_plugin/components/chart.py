"""`kubernetes:helm.sh/v4:Chart`: the objects that a Helm chart renders, as children of a component."""

import json
from pathlib import Path
from typing import Any, Final

from toolchain.plugin_base.errors import PluginError
from toolchain.plugin_base.values import Asset, Object, Reference, plain

from ..objects import pluck
from .chart_values import chart_values, secret_places
from .children import register
from .construction import Construction, asset_text, without_mark
from .helm import Helm, Repository
from .manifests import Manifest, parse

_TLS_FILES: Final = {"caFile": "ca-file", "certFile": "cert-file", "keyFile": "key-file"}
_NOT_RENDERED: Final = (
    "includeHooks is only supported when the provider is configured with renderYamlToDirectory; "
    "Helm hooks will be ignored."
)


async def chart(component: Construction) -> list[Reference]:
    """Render the chart and register what comes out.

    Hooks are left out, and objects whose `helm.sh/resource-policy` is `keep` stay in the cluster when they are dropped.

    Raises:
        PluginError: helm is not installed or cannot render the chart, or a child failed.
    """
    values, hidden = await chart_values(component)
    if component.flag("includeHooks"):
        await component.warn(_NOT_RENDERED)
    with Helm(component.cancelled, hidden) as helm:
        rendered, said = await _render(component, helm, values)
    if "chart is deprecated" in said.lower():
        name = component.text("chart").rstrip("/").rpartition("/")[2]
        await component.warn(f"Using a deprecated Helm chart ({name})")
    objects = parse(rendered, "what the chart renders")
    for policy in sorted({_policy(obj) for obj in objects} - {"", "keep"}):
        await component.warn(f'Unsupported Helm resource policy "{policy}"')
    manifests = [Manifest(obj, secret_places(obj, hidden)) for obj in objects]
    return await register(component, manifests, _namespace(component), retains=lambda obj: _policy(obj) == "keep")


async def _render(component: Construction, helm: Helm, values: Object) -> tuple[str, str]:
    wanted = component.text("chart")
    if not wanted:
        raise PluginError("chart: a path, a reference or a URL is needed")
    await helm.check()
    if component.session.access is not None:
        helm.use_cluster(component.session.access)
    reference, flags = await helm.locate(wanted, await _repository(component, helm))
    arguments = [
        "template",
        component.text("name") or component.name,
        reference,
        "--namespace=" + _namespace(component),
        "--dry-run=server",  # for `lookup` in templates; nothing is written
        "--no-hooks",
        "--values=-",
        *flags,
        *await _capabilities(component),
    ]
    version = component.text("version") or (">0.0.0-0" if component.flag("devel") else "")
    if version:
        arguments.append(f"--version={version}")
    if not component.flag("skipCrds"):
        arguments.append("--include-crds")
    for name, flag in {"dependencyUpdate": "dependency-update", "verify": "verify", "plainHttp": "plain-http"}.items():
        if component.flag(name):
            arguments.append(f"--{flag}")
    if component.inputs.get("keyring") is not None:
        arguments.append(f"--keyring={await _file(component.inputs['keyring'], 'keyring', helm)}")
    rendered, said = await _template(helm, arguments, reference, json.dumps(values))
    renderer = plain(component.mapping("postRenderer"))
    if command := renderer.get("command"):
        words = [str(command), *map(str, renderer.get("args") or [])]
        rendered, _ = await helm.run_program(words, f"postRenderer {command}", rendered)
    return rendered, said


async def _template(helm: Helm, arguments: list[str], reference: str, values: str) -> tuple[str, str]:
    try:
        return await helm.run(*arguments, stdin=values)
    except PluginError as error:
        lacks_dependencies = "missing in charts/ directory" in str(error)
        if not (lacks_dependencies and Path(reference, "Chart.lock").is_file()):
            raise
    # They are locked, so there is no choice to leave to the user.
    await helm.run("dependency", "build", reference)
    return await helm.run(*arguments, stdin=values)


def _namespace(component: Construction) -> str:
    return component.text("namespace") or component.session.namespace


async def _capabilities(component: Construction) -> list[str]:
    """What templates may ask about the cluster: its version and the kinds that it serves."""
    cluster = await component.session.cluster()
    return [f"--kube-version={await cluster.version()}", f"--api-versions={','.join(await cluster.served())}"]


async def _repository(component: Construction, helm: Helm) -> Repository:
    marked = component.mapping("repositoryOpts")
    given = plain(marked)
    files = {flag: await _file(marked[name], name, helm) for name, flag in _TLS_FILES.items() if marked.get(name)}
    texts = {name: given.get(name) or "" for name in ("repo", "username", "password")}
    for name, text in texts.items():
        if not isinstance(text, str):
            raise component.wrong(f"repositoryOpts.{name}", "a string")
    return Repository(texts["repo"], texts["username"], texts["password"], files)


async def _file(asset: Any, name: str, helm: Helm) -> Path:
    """An asset as a file."""
    asset = without_mark(asset)
    if isinstance(asset, Asset) and asset.path:
        return Path(asset.path).absolute()
    return helm.write(name, await asset_text(asset, name))


def _policy(obj: Object) -> str:
    return str(pluck(obj, "metadata", "annotations", "helm.sh/resource-policy", default=""))
