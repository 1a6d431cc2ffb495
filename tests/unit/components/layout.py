"""Where the program's resources are in the state of a stack, and where their aliases say that they were before.

layout.txt has every place that a deployed stack may have. After a change that adds to them, write it anew:
python -m tests.unit.components.layout
"""

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import pytest
from pulumi.runtime.mocks import MockMonitor

from components.planning.charts import archive

from .recording import DIGEST, DIGITS, STACK, everything, record, write_build_files

FILE = Path(__file__).parent / "layout.txt"

# The engine's own, and in no other resource's place.
_ROOT = "pulumi:pulumi:Stack"

_IMAGE = f"registry.example.com/acme/models/digits@{DIGEST}"
_CHART = b"a chart"
_ROUTE = {"host": "digits.example.com", "gateway": {"name": "shared", "namespace": "gateways"}}
_POOL = {
    "provider": "karpenter",
    "nodeClass": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "gpu"},
    "machineTypes": ["g6.xlarge"],
    "gpu": {"type": "nvidia-l4"},
    "maxNodes": 4,
}
_KEDA = {"prometheus": "http://prometheus-operated.monitoring.svc:9090"}
_SLO = {"availability": 99.9}

# Together they declare everything that can be declared without the SDK of a cloud.
_STACKS: tuple[dict[str, Any], ...] = (
    STACK
    | {
        "models": {
            "digits": {"image": _IMAGE, "route": _ROUTE, "canary": {"image": _IMAGE, "weight": 10}, "slo": _SLO},
            "iris": {"image": _IMAGE, "replicas": {"min": 2, "max": 4, "targetInFlight": 4, "keda": _KEDA}},
        },
        "monitoring": {"mode": "install"},
        "logs": {"target": "stdout"},
        "nodePools": {"l4": _POOL},
        "gpuSupport": {"install": "device-plugin"},
        "charts": {
            "keda": {
                "chart": "oci://registry.example.com/charts/keda",
                "version": "2.18.0",
                "digest": f"sha256:{hashlib.sha256(_CHART).hexdigest()}",
                "namespace": "keda",
            }
        },
    },
    STACK
    | {
        "models": {"digits": DIGITS | {"slo": _SLO}},
        "monitoring": {"mode": "chart", "chart": {"digest": f"sha256:{hashlib.sha256(_CHART).hexdigest()}"}},
    },
    {"cluster": "docker", "registry": STACK["registry"], "models": {"digits": DIGITS | {"replicas": 2}}},
)


def places() -> dict[str, set[str]]:
    """The place of each resource, "type$type::name", and those that its aliases and its parents' lead to."""
    found: dict[str, set[str]] = {}
    stack, secrets = everything()
    for config, values in ((stack, secrets), *((each, {}) for each in _STACKS)):
        with _registrations() as registered:
            record(config, secrets=values)
        former: dict[str, set[str]] = {}
        # A parent is registered before its children.
        for urn, request in registered.items():
            former[urn] = _former(request, former.get(request.parent, set()))
            found.setdefault(_place(urn), set()).update(map(_place, former[urn]))
    return found


def _place(urn: str) -> str:
    return "::".join(urn.split("::")[2:])


def _former(request: Any, of_parent: set[str]) -> set[str]:
    """The URNs at which the engine looks for a resource in the state, after its own (generateAliases of
    pkg/resource/deploy/step_generator.go in github.com/pulumi/pulumi)."""
    found = {alias.urn for alias in request.aliases if alias.urn}
    specs = [alias.spec for alias in request.aliases if not alias.urn]
    called = [(spec.type or request.type, spec.name or request.name) for spec in specs]
    for spec, (type_, name) in zip(specs, called, strict=True):
        found.add(_urn("" if spec.noParent else spec.parentUrn or request.parent, type_, name))
    # As it is, and as its aliases call it, below each place that its parent had.
    own = request.parent.rpartition("::")[2]
    for parent in of_parent:
        former = parent.rpartition("::")[2]
        for type_, name in ((request.type, request.name), *called):
            # Children are called like their parent and a role.
            found.add(_urn(parent, type_, former + name.removeprefix(own) if name.startswith(own) else name))
    return found


def _urn(parent: str, type_: str, name: str) -> str:
    types = f"{parent.split('::')[2]}$" if parent and not parent.split("::")[2].endswith(_ROOT) else ""
    return f"urn:pulumi:stack::project::{types}{type_}::{name}"


def prepare(project: Path) -> None:
    """Put what the stacks want into a project's folder: files of a build, the archive of a chart."""
    write_build_files(project)
    kept = project / archive(f"sha256:{hashlib.sha256(_CHART).hexdigest()}")
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(_CHART)


@contextmanager
def _registrations() -> Iterator[Mapping[str, Any]]:
    """Every request that the SDK sends to the engine, by the URN that it gets."""
    seen: dict[str, Any] = {}
    register = MockMonitor.RegisterResource

    def registered(monitor: MockMonitor, request: Any) -> Any:
        answer = register(monitor, request)
        if request.type != _ROOT:
            seen[answer.urn] = request
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MockMonitor, "RegisterResource", registered)
        # The mock's own has the type of the parent only; the engine's, those of all above it.
        patch.setattr(MockMonitor, "make_urn", lambda _, parent, type_, name: _urn(parent, type_, name))
        yield seen


def listed() -> set[str]:
    """The places in layout.txt."""
    return set(FILE.read_text().split())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        prepare(Path(folder))
        now = places()
        reached = set().union(*now.values())
        # What a deployed stack may still have stays, and is held against the aliases.
        FILE.write_text("\n".join(sorted({*now, *(listed() & reached)})) + "\n")
