"""Run the program without an engine and keep what it declares as plain dictionaries."""

import gc
import json
import runpy
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pulumi
import yaml
from pulumi.runtime import rpc

from components import chart_archives
from components.render import plain

ROOT = Path(__file__).resolve().parents[3]
DIGEST = "sha256:" + "0123456789abcdef" * 4
NODE_PORT = 30080

DIGITS: dict[str, Any] = {"source": {"framework": "keras", "path": "model/digits"}}
STACK: dict[str, Any] = {
    "cluster": "local",
    "namespace": "models",
    "registry": {"repository": "localhost:5001/models"},
    "models": {"digits": DIGITS},
}


def write_build_files(project: Path) -> None:
    """What every build needs, in a project's folder."""
    for name in ("model/Dockerfile", "model/exporter/__main__.py", "model/server/app.py", "model/digits/train.py"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(f"{name}\n")


@dataclass(frozen=True)
class Recorded:
    """One declared resource. Whole numbers are ints again, and secret values are plain; `secret` says which were."""

    type: str
    name: str
    inputs: dict[str, Any]
    provider: str
    secret: frozenset[str]


@dataclass
class Recording(pulumi.runtime.Mocks):
    """Answers like the providers would: names with a suffix, a digest for an image, a port for a NodePort Service."""

    digest: str | None = DIGEST
    other_stack: dict[str, Any] = field(default_factory=dict)
    live: dict[str, Any] = field(default_factory=dict)
    imported: dict[str, str] = field(default_factory=dict)
    resources: list[Recorded] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        secret = frozenset(key for key, value in args.inputs.items() if rpc.is_rpc_secret(value))
        inputs = plain(args.inputs)
        self.resources.append(Recorded(args.typ, args.name, inputs, args.provider or "", secret))
        if args.typ.startswith("kubernetes:") and args.resource_id and args.custom is None:
            return args.resource_id, self.live[args.resource_id]  # read, not declared
        if args.resource_id:
            self.imported[args.name] = args.resource_id
        state = dict(inputs)
        if args.typ.startswith("kubernetes:") and "metadata" in inputs:
            state["metadata"] = {"name": f"{args.name}-7f3a9c21"} | inputs["metadata"]
        if args.typ == "kubernetes:core/v1:Service" and inputs["spec"]["type"] == "NodePort":
            state["spec"] = inputs["spec"] | {"ports": [{"nodePort": NODE_PORT} | p for p in inputs["spec"]["ports"]]}
        if args.typ == "pulumi:pulumi:StackReference":
            state["outputs"] = self.other_stack
        if args.typ == "docker-build:index:Image" and self.digest is not None:
            state["digest"] = self.digest
        return f"{args.name}-id", state

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"the program asks a provider for {args.token}; it should need none")

    def one(self, kind: str, model: str = "digits") -> dict[str, Any]:
        """Inputs of the only resource of a kind, like "Deployment", whose name starts with the model's."""
        [found] = [r for r in self.resources if r.type.endswith(f":{kind}") and r.name.split("-")[0] == model]
        return found.inputs

    def kinds(self) -> list[str]:
        """Kinds of all resources that are objects of a provider, sorted."""
        foreign = ("kubernetes:", "docker-build:")
        return sorted(r.type.rsplit(":", 1)[1] for r in self.resources if r.type.startswith(foreign))


def record(
    config: Mapping[str, Any],
    *,
    secrets: Mapping[str, str] | None = None,
    stack: str = "dev",
    preview: bool = False,
    digest: str | None = DIGEST,
    other_stack: Mapping[str, Any] | None = None,
    live: Mapping[str, Any] | None = None,
    keep: list[Recording] | None = None,
) -> Recording:
    """Run `__main__.py` with a stack's configuration (keys without namespace) in the current folder. Charts are not
    fetched: tests/integration/test_charts.py does that.

    `other_stack` are the outputs of whichever stack the program refers to, `live` the objects that it may read, by
    their ids. What a program recorded that ends before its time is left in `keep`.
    """
    recording = Recording(digest=digest, other_stack=dict(other_stack or {}), live=dict(live or {}))
    if keep is not None:
        keep.append(recording)
    flat = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    values = {f"model-serving:{key}": value for key, value in {**flat, **(secrets or {})}.items()}
    pulumi.runtime.set_mocks(recording, project="model-serving", stack=stack, preview=preview)
    pulumi.runtime.set_all_config(values, [f"model-serving:{key}" for key in secrets or ()])

    export = pulumi.export
    pulumi.export = recording.outputs.__setitem__

    @pulumi.runtime.test
    def run() -> pulumi.Output[None]:
        with mock.patch.object(chart_archives, "fetch_charts"):
            runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__")
        known = {key: pulumi.Output.from_input(value) for key, value in recording.outputs.items()}
        return pulumi.Output.all(**known).apply(recording.outputs.update)

    try:
        run()
    finally:
        gc.enable()  # the program turns it off for its own short life
        pulumi.export = export
        pulumi.runtime.set_all_config({}, [])
    return recording


def everything() -> tuple[dict[str, Any], dict[str, str]]:
    """A stack with a model that uses everything once, and the values of its secrets."""
    digits = DIGITS | {
        "secrets": [
            "apiToken",
            {"secretRef": {"name": "login", "key": "token", "revision": "2"}, "env": "LOGIN_TOKEN"},
            {"external": {"store": "vault", "key": "team/features", "property": "key"}},
        ],
        "service": {"type": "NodePort"},
        "replicas": {"min": 2, "max": 6},
        "ingress": {
            "host": "digits.example.com",
            "class": "nginx",
            "tls": {"secret": "example-com"},
            "controllerNamespace": "ingress-nginx",
        },
        "network": {"allowTo": [{"host": "features.example.com", "port": 443}]},
        "env": {"LOG_LEVEL": "debug"},
        "configFiles": {"labels.txt": "zero\none\n"},
        "database": {
            "host": "db.example.com",
            "name": "features",
            "user": "reader",
            "password": "dbPassword",
            "tls": {"mode": "require"},
        },
        "identity": {"aks": "01234567-89ab-cdef-0123-456789abcdef"},
    }
    stack = STACK | {
        "models": {"digits": digits},
        "registry": STACK["registry"] | {"pullSecret": {"config": "login"}},
        "env": {"TEAM": "vision"},
        "proxy": {"https": "http://proxy.example.com:3128", "noProxy": [".example.com"]},
    }
    login = json.dumps({"auths": {"localhost:5001": {"auth": "YTpi"}}})
    return stack, {"apiToken": "value", "dbPassword": "value", "login": login}


def golden() -> str:
    """The Kubernetes objects of such a stack, as YAML."""
    stack, secrets = everything()
    recording = record(stack, secrets=secrets)
    kubernetes = [r for r in recording.resources if r.type.startswith("kubernetes:")]
    return yaml.safe_dump({f"{r.type} {r.name}": r.inputs for r in kubernetes}, width=120)


if __name__ == "__main__":
    sys.stdout.write(golden())
