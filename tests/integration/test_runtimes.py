"""Other servers: one that is run, with our model and its contract, and presets that the API server accepts.

MLServer is built and run here. TensorFlow Serving, Triton and vLLM are not: their images come from registries that a
machine with package registries only does not reach. Their pods are validated by the API server, under the same
admission rules, and no further.
"""

import asyncio
import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from components.planning import pip_settings
from tests.support.cluster import LocalCluster
from tests.support.load import infer, label
from tests.support.registry import Image, contract_of
from tests.support.workspace import Workspace
from tests.unit.components.recording import record

pytestmark = [pytest.mark.integration, pytest.mark.shared]

STACK = f"runtimes-{uuid.uuid4().hex[:6]}"
HERE = Path(__file__).parent
MODEL = "registry.example.com/models/digits@sha256:" + "b" * 64


@pytest.fixture(scope="module")
def workspace(local_cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """The example model, built and deployed."""
    home = tmp_path_factory.mktemp("runtimes")
    workspace = Workspace.create(home / "checkout", STACK, local_cluster.env, home / "state")
    (workspace.path / "Pulumi.dev.yaml").rename(workspace.config_file)
    workspace.set_config(namespace=STACK)
    workspace.install()
    workspace.pulumi("stack", "init", STACK)
    workspace.up()
    yield workspace
    workspace.pulumi("destroy", "--yes", "--skip-preview", "--stack", STACK, check=False)


@pytest.fixture(scope="module")
def mlserver(local_cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    """MLServer's image, repository@sha256:<digest>."""
    folder = tmp_path_factory.mktemp("mlserver")
    (folder / "pip.conf").write_text(pip_settings.pip_conf())
    (folder / "ca.pem").write_text(pip_settings.ca_bundle())
    repository = f"{local_cluster.registry}/tests/mlserver"
    secrets = [f"id=pip_conf,src={folder / 'pip.conf'}", f"id=ca_bundle,src={folder / 'ca.pem'}"]
    command = ["buildx", "build", *(f"--secret={secret}" for secret in secrets), f"--tag={repository}", "--push"]
    done = subprocess.run(
        [*command, f"--metadata-file={folder / 'built.json'}", str(HERE / "mlserver_image")],
        env={**os.environ, **local_cluster.env},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return f"{repository}@{json.loads((folder / 'built.json').read_text())['containerimage.digest']}"


def test_another_server_serves_our_model_and_keeps_its_contract(
    workspace: Workspace, mlserver: str, local_cluster: LocalCluster
) -> None:
    image = workspace.outputs()["models"]["digits"]["image"]
    models = workspace.read_config()["config"]["model-serving:models"]
    other = {
        "runtime": "image",
        "image": mlserver,
        "files": {"image": image, "mountPath": "/models/digits"},
        "container": {
            "args": ["start", "/app"],
            "probes": {"readiness": "/v2/models/digits/ready", "liveness": "/v2/health/live"},
        },
        "ports": {"http": 8080, "grpc": 8081, "metrics": 8082},
        "resources": {"requests": {"cpu": "100m", "memory": "512Mi"}},
        "service": {"type": "NodePort"},
    }
    workspace.set_config(models=models | {"other": other})
    workspace.up()
    port = workspace.outputs()["models"]["other"]["nodePort"]

    golden = contract_of(Image(image))["golden"]
    assert golden
    for entry in golden:
        answer = httpx.post(f"http://127.0.0.1:{port}/v2/models/digits/infer", json=entry["request"], timeout=30)
        outputs = {output["name"]: output for output in answer.raise_for_status().json()["outputs"]}
        for expected in entry["expected"]:
            given = np.array(outputs[expected["name"]]["data"], np.float32).ravel()
            wanted = np.array(expected["data"], np.float32).ravel()
            assert np.abs(given - wanted).max() <= entry["tolerance"]

    example = json.loads((workspace.path / "model/digits/examples/7.json").read_text())["request"]
    assert label(infer(port, "digits", example)) == 7
    [pod] = local_cluster.kubectl("get", "pods", "-lapp.kubernetes.io/name=other", "-oname", namespace=STACK).split()
    path = f"/api/v1/namespaces/{STACK}/{pod.replace('pod/', 'pods/')}:8082/proxy/metrics"
    assert "rest_server_requests" in local_cluster.kubectl("get", "--raw", path, namespace=STACK)
    workspace.preview("--expect-no-changes")


@pytest.mark.parametrize("runtime", ["tf-serving", "triton", "vllm"])
@pytest.mark.parametrize(
    "files",
    [
        {"image": MODEL},
        {"image": MODEL, "mount": "imageVolume"},
        {"claim": "models", "path": "/digits"},
        {"csi": {"driver": "gcsfuse.csi.storage.gke.io", "attributes": {"bucketName": "models"}}},
    ],
    ids=["initContainer", "imageVolume", "claim", "csi"],
)
def test_the_api_server_accepts_a_preset(
    workspace: Workspace,  # its namespace, which admits only restricted pods
    local_cluster: LocalCluster,
    runtime: str,
    files: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(workspace.path)
    asyncio.set_event_loop(asyncio.new_event_loop())  # which Pulumi's mocks take for granted
    model = {"runtime": runtime, "image": MODEL, "files": files, "replicas": 2}
    recording = record({"cluster": "local", "namespace": STACK, "models": {"preset": model}})
    objects = [
        {"apiVersion": api, "kind": kind, **recording.one(kind, "preset")}
        for api, kind in (("apps/v1", "Deployment"), ("v1", "Service"), ("v1", "ConfigMap"))
        if kind != "ConfigMap" or runtime != "tf-serving"
    ]
    template = recording.one("Deployment", "preset")["spec"]["template"]
    # A Deployment of pods that are not admitted is accepted with a warning; the pod itself is not.
    pod = {"apiVersion": "v1", "kind": "Pod", **template, "metadata": {"namespace": STACK, "name": "dry-run"}}
    pod["spec"] = {**template["spec"], "serviceAccountName": "default"}
    for entry in [*objects, pod]:
        entry["metadata"] = {"name": "dry-run", **entry["metadata"]}
        document = json.dumps(entry)
        local_cluster.kubectl("create", "--dry-run=server", "--validate=strict", "-f-", namespace=STACK, stdin=document)
