"""Print what a stack declares as Kubernetes objects, without an engine, a cluster or a secret's value.

`python -m components.render` reads one JSON object (see `Request`) and answers with one (see `Rendering`). It runs the
program against the SDK's own mock of the engine, so every object is the one that an update would declare.
"""

import gc
import hashlib
import json
import runpy
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime import rpc

from components.config.problems import NAMESPACE

_KUBERNETES = "kubernetes:"
_CHART = "kubernetes:helm.sh/v4:Chart"
_IMAGE = "docker-build:index:Image"
_REFERENCE = "pulumi:pulumi:StackReference"
# What this program builds, the engine's own, and the program's components.
_NO_OBJECTS = ("docker-build:", "pulumi:", "model-serving:")
_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is rendered.

    Attributes:
        config: all of the stack's configuration by full key, sections as JSON; a secret's value is never among it.
        secrets: the full keys of secrets.
        images: repository@sha256:<digest> of each model that is built from its source.
        stacks: outputs of other stacks that this one refers to, by name.
    """

    stack: str
    project: str
    config: dict[str, str]
    secrets: list[str]
    images: dict[str, str]
    stacks: dict[str, dict[str, Any]]


@dataclass(kw_only=True)
class Rendering:
    """What came out.

    Attributes:
        objects: manifests, each with a name; Secrets without their data.
        charts: name, chart, version, repository, namespace and values of each Helm chart.
        keys: of each Secret among the objects ("namespace/name"), the keys that it must have.
        others: "type name" of what is declared and is no Kubernetes object.
    """

    objects: list[dict[str, Any]] = field(default_factory=list)
    charts: list[dict[str, Any]] = field(default_factory=list)
    keys: dict[str, list[str]] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)


class NotRenderable(Exception):
    """An object cannot be written down without giving a secret away, or at all."""


def render(request: Request) -> Rendering:
    """Run the program in the current folder.

    Raises:
        NotRenderable: see there.
        SystemExit: the program ended with a message of its own.
    """
    engine = _Engine(request)
    pulumi.runtime.set_mocks(engine, project=request.project, stack=request.stack, preview=True)
    pulumi.runtime.set_all_config(request.config | _stand_ins(request), request.secrets)

    @pulumi.runtime.test
    def run() -> None:
        runpy.run_path("__main__.py", run_name="__main__")

    export = pulumi.export
    pulumi.export = lambda name, value: None  # outputs of a stack are no objects
    try:
        run()
    finally:
        pulumi.export = export
        gc.enable()  # the program turns it off for its own short life
    engine.finish()
    return engine.rendering


class _Engine(pulumi.runtime.Mocks):
    """Names objects, answers what the program asks of built images and other stacks, and keeps the rest."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self.rendering = Rendering()

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        inputs = plain(args.inputs)
        state = dict(inputs)
        if args.typ.startswith(_KUBERNETES) and args.resource_id and args.custom is None:
            raise NotRenderable(
                f"{args.name} is read in the cluster, which a rendering has none of; take service.adopt out: manifests "
                "are applied to what is there"
            )
        if args.typ == _IMAGE:
            state["digest"] = self._request.images[args.name.removesuffix("-build")].rpartition("@")[2]
        elif args.typ == _REFERENCE:
            # Of a stack that is not among them only a kubeconfig is wanted, which no object holds.
            stack = inputs["name"]
            state["outputs"] = self._request.stacks.get(stack, {"kubeconfig": _marker(f"outputs of {stack}")})
        elif args.typ == _CHART:
            self.rendering.charts.append(_chart(args.name, inputs))
        elif args.typ.startswith(_KUBERNETES) and args.custom and "kind" in inputs:
            state = _named(args.name, inputs)
            self.rendering.objects.append(state)
        elif args.typ.startswith(_KUBERNETES):
            raise NotRenderable(f"{args.typ} {args.name} cannot be rendered")
        elif not args.typ.startswith(_NO_OBJECTS):
            self.rendering.others.append(f"{args.typ} {args.name}")
        return f"{args.name}-id", state

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        raise NotRenderable(f"{args.token} is asked of a provider, which a rendering has none of")

    def finish(self) -> None:
        """Turn what was declared into what may be written down."""
        kept = self.rendering
        scaled = {
            (entry["metadata"].get("namespace"), entry["spec"]["scaleTargetRef"]["name"])
            for entry in kept.objects
            if entry["kind"] in ("HorizontalPodAutoscaler", "ScaledObject")
        }
        objects = [_written(entry, scaled, kept.keys) for entry in kept.objects]
        kept.objects = sorted(objects, key=lambda entry: (entry["kind"], _full_name(entry)))
        for entry in (*kept.objects, *kept.charts):
            text = json.dumps(entry)
            if key := next((key for key in self._request.secrets if _marker(key) in text), None):
                raise NotRenderable(
                    f"{entry.get('kind', 'chart')} {entry.get('name') or _full_name(entry)} would hold the value of "
                    f"the secret {key} in plain text"
                )


def _marker(key: str) -> str:
    return f"<the value of {key}>"


def _stand_ins(request: Request) -> dict[str, str]:
    """A text for each secret. Registry logins and private keys have forms that the program checks."""
    values = {key: json.dumps({"auths": {_marker(key): {}}}) for key in request.secrets}
    section = request.config.get(f"{NAMESPACE}:imageSigning", "")
    signing = json.loads(section) if section.startswith("{") else {}
    if (key := f"{NAMESPACE}:{signing.get('privateKey')}") in values:
        kind = "ENCRYPTED SIGSTORE PRIVATE KEY"
        values[key] = f"-----BEGIN {kind}-----\n{_marker(key)}\n-----END {kind}-----\n"
    return values


def _named(name: str, inputs: dict[str, Any]) -> dict[str, Any]:
    """An object with the name that it has wherever it is rendered.

    What never changes under its name has its content in it: pods that use it are new when it is, as with an update.
    """
    metadata = dict(inputs.get("metadata") or {})
    if "name" not in metadata:
        if inputs.get("immutable") and inputs["kind"] != "Secret":
            content = json.dumps(inputs, sort_keys=True).encode()
            number = int.from_bytes(hashlib.sha256(content).digest()[:8], "big")
            name += "-" + "".join(_BASE36[number // 36**place % 36] for place in range(10))
        metadata = {"name": name, **metadata}
    return {"apiVersion": inputs.get("apiVersion"), "kind": inputs["kind"], **inputs, "metadata": metadata}


def _written(entry: dict[str, Any], scaled: set[tuple[Any, Any]], keys: dict[str, list[str]]) -> dict[str, Any]:
    """An object as it goes into a file: without values of secrets, Pulumi's own annotations and a second owner."""
    metadata = dict(entry["metadata"])
    annotations = {
        key: value for key, value in (metadata.pop("annotations", None) or {}).items() if not _of_pulumi(key)
    }
    entry = {**entry, "metadata": metadata | ({"annotations": annotations} if annotations else {})}
    if entry["kind"] == "Secret":
        keys[_full_name(entry)] = sorted({*entry.pop("data", {}), *entry.pop("stringData", {})})
        entry.pop("immutable", None)  # whoever fills it could not
    if entry["kind"] == "Deployment" and (metadata.get("namespace"), metadata["name"]) in scaled:
        # The autoscaler's business: with a number here, every sync would take its decision back.
        entry["spec"] = {key: value for key, value in entry["spec"].items() if key != "replicas"}
    return entry


def _of_pulumi(annotation: str) -> bool:
    return annotation.partition("/")[0] == "pulumi.com"


def _full_name(entry: Mapping[str, Any]) -> str:
    metadata = entry["metadata"]
    return f"{metadata.get('namespace', '')}/{metadata['name']}"


def _chart(name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": inputs.get("name") or name,
        "chart": inputs["chart"],
        "version": inputs.get("version"),
        "repository": (inputs.get("repositoryOpts") or {}).get("repo"),
        "namespace": inputs.get("namespace"),
        "crds": not inputs.get("skipCrds"),
        "values": inputs.get("values") or {},
    }


def plain(value: Any) -> Any:
    """Secrets unwrapped, and the whole numbers that protobuf made floats turned back."""
    if rpc.is_rpc_secret(value):
        return plain(rpc.unwrap_rpc_secret(value))
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def main() -> None:
    """Answer the request on standard input. Ends with 1 and a message where there is no answer."""
    sys.path.insert(0, str(Path.cwd()))
    request = Request(**json.load(sys.stdin))
    try:
        rendering = render(request)
    except NotRenderable as error:
        sys.exit(f"error: {error}")
    json.dump(asdict(rendering), sys.stdout)


if __name__ == "__main__":
    main()
