"""NVIDIA's own charts, rendered with our values.

Chart repositories are not reached from everywhere, but the charts are in the sources, and those are Go modules. The
device plugin's chart is of the version that the program pins. The GPU operator's releases are no modules: its chart
is of the commit below, between two of them.
"""

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.cluster import LocalCluster, toolchain
from tests.support.workspace import ROOT
from tests.unit.components.recording import DIGEST, STACK, record
from tests.unit.planning.test_gpu_support import EXISTING, MIG, SLICES

pytestmark = [pytest.mark.integration, pytest.mark.shared]

# Module, version and the hash that Go has of it, as in a go.sum.
DEVICE_PLUGIN = ("github.com/NVIDIA/k8s-device-plugin", "v0.18.0", "h1:zTAcR+pU90bEFwLD6WVFn2F77h8bDzqpIuqn+O2Sl/s=")
GPU_OPERATOR = (
    "github.com/NVIDIA/gpu-operator",
    "v0.0.0-20250917190837-d73a0086a6ba",
    "h1:LoeqwWjR0h2WRyHXmyYCPVwM/dAdKKxjE8LzyyeuqHI=",
)
FEATURE_DISCOVERY = ("sigs.k8s.io/node-feature-discovery", "v0.17.3", "h1:CArk8De9LBP5bj3Z6Bz/mpnC8kDNfBhDAu0xJp4u/A8=")
TAINTS = [{"key": "team", "value": "vision", "effect": "NoExecute"}]


def module(name: str, version: str, sum_: str) -> Path:
    """The folder of a Go module."""
    command = ["go", "mod", "download", "-json", f"{name}@{version}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", env={**os.environ, "GOFLAGS": "-mod=mod"})
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["Sum"] == sum_
    return Path(told["Dir"])


def template(chart: Path, values: dict[str, Any], cluster: LocalCluster) -> list[dict[str, Any]]:
    """The objects that Helm makes of a chart."""
    command = ["helm", "template", "gpu", str(chart), "--namespace=nvidia", "--include-crds", "--values=-"]
    environment = {**os.environ, **cluster.env}
    done = subprocess.run(command, input=json.dumps(values), env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [entry for entry in yaml.safe_load_all(done.stdout) if entry]


@pytest.fixture(scope="module")
def discovery(local_cluster: LocalCluster) -> Path:
    """Node feature discovery's chart, which both charts include; helm is installed."""
    toolchain("install", "helm")
    return module(*FEATURE_DISCOVERY) / "deployment/helm/node-feature-discovery"


def with_subchart(chart: Path, discovery: Path, folder: Path) -> Path:
    copy = shutil.copytree(chart, folder / chart.name)
    for path in (copy, *copy.rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)  # a module cache is read-only
    if not (copy / "charts" / discovery.name).exists():  # the GPU operator's sources have it
        shutil.copytree(discovery, copy / "charts" / discovery.name)
    return copy


def our_values(install: str, gpu: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.chdir(ROOT)
    asyncio.set_event_loop(asyncio.new_event_loop())  # which Pulumi's mocks take for granted
    pools = {"gpus": EXISTING | {"gpu": gpu, "taints": TAINTS}}
    recording = record(STACK | {"nodePools": pools, "gpuSupport": {"install": install, "digest": DIGEST}})
    return recording.one("Chart", "gpu")["values"]


def pods(objects: list[dict[str, Any]], name: str) -> dict[str, Any]:
    [found] = [entry for entry in objects if entry["kind"] == "DaemonSet" and entry["metadata"]["name"] == name]
    return found["spec"]["template"]["spec"]


def tolerated(tolerations: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    yield from ((entry["key"], entry["effect"]) for entry in tolerations if entry.get("operator") == "Exists")


def test_the_device_plugins_chart_takes_our_values(
    discovery: Path, local_cluster: LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chart = module(*DEVICE_PLUGIN) / "deployments/helm/nvidia-device-plugin"
    values = our_values("device-plugin", SLICES, monkeypatch)
    objects = template(with_subchart(chart, discovery, tmp_path), values, local_cluster)
    pod = pods(objects, "gpu-nvidia-device-plugin")
    assert {("nvidia.com/gpu", "NoSchedule"), ("team", "NoExecute")} <= set(tolerated(pod["tolerations"]))
    [term] = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term["matchExpressions"] == [{"key": "pool", "operator": "In", "values": ["gpus"]}]
    [configs] = [e["data"] for e in objects if e["kind"] == "ConfigMap" and "default" in e.get("data", {})]
    sharing = yaml.safe_load(configs["time-slices-4"])["sharing"]["timeSlicing"]
    assert sharing["resources"] == [{"name": "nvidia.com/gpu", "replicas": 4}]
    # The container beside the plugin that hands it the configuration that the node's label names.
    manager = next(c for c in pod["containers"] if c["name"] == "nvidia-device-plugin-sidecar")
    environment = {variable["name"]: variable.get("value") for variable in manager["env"]}
    assert environment["NODE_LABEL"] == "nvidia.com/device-plugin.config"
    assert environment["DEFAULT_CONFIG"] == "default"


def test_the_gpu_operators_chart_takes_our_values(
    discovery: Path, local_cluster: LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chart = module(*GPU_OPERATOR) / "deployments/gpu-operator"
    values = our_values("gpu-operator", MIG, monkeypatch)
    objects = template(with_subchart(chart, discovery, tmp_path), values, local_cluster)
    [policy] = [entry["spec"] for entry in objects if entry["kind"] == "ClusterPolicy"]
    assert {("nvidia.com/gpu", "NoSchedule"), ("team", "NoExecute")} <= set(
        tolerated(policy["daemonsets"]["tolerations"])
    )
    assert policy["driver"]["enabled"] is False
    assert policy["toolkit"]["enabled"] is False
    assert policy["mig"]["strategy"] == "single"
    plugin = policy["devicePlugin"]["config"]
    assert plugin == {"name": "model-serving-device-plugin", "default": "default"}
    [configs] = [e["data"] for e in objects if e["kind"] == "ConfigMap" and e["metadata"]["name"] == plugin["name"]]
    assert yaml.safe_load(configs["mig-single"])["flags"] == {"migStrategy": "single"}
    # What DCGM measures, the operator starts on every node with a GPU.
    assert policy["dcgmExporter"]["enabled"] is True
    worker = pods(objects, "gpu-node-feature-discovery-worker")
    assert {("nvidia.com/gpu", "NoSchedule"), ("team", "NoExecute")} <= set(tolerated(worker["tolerations"]))
