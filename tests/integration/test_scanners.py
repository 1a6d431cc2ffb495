"""Every object of the example stacks before a real API server, and before a scanner that knows what to look for.

The API server validates strictly, with Pod Security `restricted` enforced. Its schemas are the real ones, which says
more than a scanner with copies of them (kubeconform), and those copies are in no package registry.
"""

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.planning.names import namespace_labels
from tests.support.cluster import LocalCluster
from tests.support.workspace import ROOT
from tests.unit.components.recording import STACK
from toolchain import venv

pytestmark = [pytest.mark.integration, pytest.mark.shared]

NAMESPACE = f"scanned-{uuid.uuid4().hex[:6]}"
DIGEST = "sha256:" + "0123456789abcdef" * 4

# What the scanner is to look for: its checks of workloads (CKV_K8S_8 to 43) and of network policies.
CHECKS = [f"CKV_K8S_{n}" for n in (*range(8, 24), *range(25, 32), 35, *range(37, 41), 43)] + ["CKV2_K8S_6"]
EXCEPTIONS = {
    "CKV_K8S_11": "no CPU limit: it throttles inference while cores idle; the request is what is guaranteed",
    "CKV_K8S_15": "IfNotPresent: a digest never changes its content, and a node that has it survives the registry",
}
# Of operators that the local cluster has not: test_platform.py and test_karpenter.py put them up, with definitions.
NOT_SERVED = frozenset({"gateway.networking.k8s.io", "karpenter.sh"})

FULL = STACK | {
    "nodePools": {
        "l4": {
            "provider": "karpenter",
            "gpu": {"type": "nvidia-l4"},
            "maxNodes": 5,  # four replicas and one of an update
            "machineTypes": ["g6.xlarge"],
            "nodeClass": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "gpu"},
        }
    },
    "network": {"allowFrom": [{"namespace": "monitoring"}]},
    "models": {
        "digits": {
            "source": {"framework": "keras", "path": "model/digits"},
            "replicas": {"min": 2, "max": 4},
            "env": {"LOG_LEVEL": "info"},
            "secrets": ["apiToken"],
            "ports": {"grpc": 9000},
            "service": {"type": "LoadBalancer", "internal": True},
            "nodePool": "l4",
        },
        "canary": {
            "image": f"registry.example.com/models/canary@{DIGEST}",
            "replicas": 2,
            "route": {"host": "canary.example.com", "gateway": {"name": "shared", "namespace": "gateways"}},
            "canary": {"image": f"registry.example.com/models/canary@{DIGEST}", "weight": 10},
        },
        "served": {
            "runtime": "triton",
            "image": f"registry.example.com/triton@{DIGEST}",
            "files": {"claim": "models"},
            "ingress": {"host": "served.example.com", "class": "nginx", "tls": {"secret": "served-tls"}},
        },
    },
}


def stacks() -> Iterator[Any]:
    shared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    for file in sorted(ROOT.glob("Pulumi.*.yaml")):
        own = yaml.safe_load(file.read_text())["config"]
        merged = {key: entry["value"] for key, entry in shared.items()} | own
        config = {key.removeprefix("model-serving:"): value for key, value in merged.items()}
        yield pytest.param(file.suffixes[0][1:], config, [], id=file.name)
    yield pytest.param("full", FULL, ["apiToken"], id="everything")


@pytest.fixture(scope="module")
def namespace(local_cluster: LocalCluster) -> Iterator[str]:
    """A namespace as the program makes it, empty."""
    document = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": namespace_labels()}}
    local_cluster.kubectl("create", "-f-", namespace="default", stdin=json.dumps(document))
    yield NAMESPACE
    local_cluster.kubectl("delete", "namespace", NAMESPACE, namespace="default")


def objects(stack: str, config: dict[str, Any], secrets: list[str], namespace: str) -> list[dict[str, Any]]:
    """The Kubernetes objects of a stack, as `make render` writes them."""
    config = config | {"namespace": namespace}
    built = [name for name, model in config["models"].items() if "source" in model]
    request = {
        "stack": stack,
        "project": "model-serving",
        "config": {f"model-serving:{k}": v if isinstance(v, str) else json.dumps(v) for k, v in config.items()},
        "secrets": [f"model-serving:{key}" for key in secrets],
        "images": {name: f"registry.example.com/models/{name}@{DIGEST}" for name in built},
        "stacks": {},
    }
    command = [sys.executable, "-m", "components.render"]
    done = subprocess.run(command, cwd=ROOT, input=json.dumps(request), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["objects"]


def pods(entries: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """A Deployment of pods that are not admitted is accepted with a warning; the pods themselves are not."""
    for entry in entries:
        if entry["kind"] == "Deployment":
            template = entry["spec"]["template"]
            metadata = {**template["metadata"], "namespace": entry["metadata"]["namespace"], "name": "dry-run"}
            spec = {**template["spec"], "serviceAccountName": "default"}
            yield {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


@pytest.mark.parametrize(("stack", "config", "secrets"), list(stacks()))
def test_the_api_server_accepts_every_object(
    stack: str,
    config: dict[str, Any],
    secrets: list[str],
    namespace: str,
    local_cluster: LocalCluster,
) -> None:
    entries = objects(stack, config, secrets, namespace)
    assert {"Namespace", "Deployment", "Service", "ConfigMap", "ServiceAccount"} <= {entry["kind"] for entry in entries}
    entries = [entry for entry in entries if entry["apiVersion"].partition("/")[0] not in NOT_SERVED]
    for entry in [*entries, *pods(entries)]:
        verb = ("apply", "--server-side") if entry["kind"] == "Namespace" else ("create",)
        options = ("--dry-run=server", "--validate=strict", "-f-")
        local_cluster.kubectl(*verb, *options, namespace=namespace, stdin=json.dumps(entry))


@pytest.fixture(scope="module")
def checkov() -> list[str]:
    python = venv.ensure(Path(__file__).parent / "scanners" / "requirements.txt")
    return [str(python), "-m", "checkov.main", "--framework", "kubernetes", "--output", "json", "--skip-download"]


def scan(checkov: list[str], folder: Path, checks: list[str]) -> dict[str, Any]:
    command = [*checkov, "--directory", str(folder), "--check", ",".join(checks)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    report = json.loads(done.stdout)
    # Without anything to look at, the report is a summary.
    return report.get("results", {"failed_checks": [], "passed_checks": []})


@pytest.mark.parametrize(("stack", "config", "secrets"), list(stacks()))
def test_the_scanner_finds_nothing(
    stack: str,
    config: dict[str, Any],
    secrets: list[str],
    checkov: list[str],
    tmp_path: Path,
) -> None:
    entries = objects(stack, config, secrets, "models")
    (tmp_path / "objects.yaml").write_text(yaml.safe_dump_all(entries))
    checks = [check for check in CHECKS if check not in EXCEPTIONS]
    found = scan(checkov, tmp_path, checks)
    failed = sorted(
        {f"{entry['check_id']} {entry['check_name']}: {entry['resource']}" for entry in found["failed_checks"]}
    )
    assert not failed, "\n".join(failed)
    # Every check that is asked for was done, or looks at something that no stack has.
    assert len({entry["check_id"] for entry in found["passed_checks"]}) > len(checks) * 2 / 3


def test_the_scanner_would_find_something(checkov: list[str], tmp_path: Path) -> None:
    entries = objects("dev", STACK, [], "default")
    [deployment] = [entry for entry in entries if entry["kind"] == "Deployment"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    container |= {"image": "digits:latest", "securityContext": {"privileged": True}}
    del container["livenessProbe"]
    (tmp_path / "objects.yaml").write_text(yaml.safe_dump_all(entries))
    failed = {entry["check_id"] for entry in scan(checkov, tmp_path, CHECKS)["failed_checks"]}
    privileged, no_probe, tag, not_only_read, not_dropped, default_namespace = (
        f"CKV_K8S_{n}" for n in (16, 8, 43, 22, 37, 21)
    )
    assert {privileged, no_probe, tag, not_only_read, not_dropped, default_namespace, *EXCEPTIONS} <= failed
