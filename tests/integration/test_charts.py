"""Charts from a registry and a repository: deployed as their digest says, and refused where it says otherwise."""

import hashlib
import os
import shutil
import subprocess
import threading
import urllib.request
import uuid
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.planning.gpu_support import CHARTS
from tests.support.cluster import LocalCluster, toolchain
from tests.support.workspace import Workspace

pytestmark = [pytest.mark.integration, pytest.mark.shared]

STACK = f"charts-{uuid.uuid4().hex[:6]}"
CHART = Path(__file__).parent / "chart"
VERSION = "0.1.0"
GPU_OPERATOR = CHARTS["gpu-operator"]


@pytest.fixture(scope="module")
def registry(local_cluster: LocalCluster) -> str:
    """A repository for charts in the local registry; helm is installed."""
    toolchain("install", "helm")
    return f"oci://{local_cluster.registry}/tests/{STACK}"


def push(chart: Path, registry: str, folder: Path, cluster: LocalCluster) -> str:
    """Package and push a chart. Returns the digest of its archive."""
    environment = {**os.environ, **cluster.env}
    folder.mkdir()
    subprocess.run(["helm", "package", chart, "-d", folder], check=True, env=environment, capture_output=True)
    [archive] = folder.glob("*.tgz")
    command = ["helm", "push", archive, registry, "--plain-http"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return f"sha256:{hashlib.sha256(archive.read_bytes()).hexdigest()}"


@pytest.fixture(scope="module")
def section(registry: str, local_cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The chart as a stack file names it."""
    digest = push(CHART, registry, tmp_path_factory.mktemp("push") / "good", local_cluster)
    return {
        "chart": f"{registry}/sleeper",
        "version": VERSION,
        "digest": digest,
        "namespace": f"{STACK}-tools",
        "values": {"image": f"{local_cluster.registry}/library/debian:bookworm-slim", "replicas": 2},
    }


@pytest.fixture(scope="module")
def workspace(
    section: dict[str, Any], local_cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workspace]:
    """A stack with the chart and no model, not deployed."""
    home = tmp_path_factory.mktemp("charts")
    workspace = Workspace.create(home / "checkout", STACK, local_cluster.env, home / "state")
    (workspace.path / "Pulumi.dev.yaml").rename(workspace.config_file)
    workspace.set_config(namespace=STACK, registry=None, models=None, charts={"sleeper": section})
    workspace.install()
    workspace.pulumi("stack", "init", STACK)
    yield workspace
    workspace.pulumi("destroy", "--yes", "--skip-preview", "--stack", STACK, check=False)


def test_a_wrong_digest_is_refused_before_anything_changes(workspace: Workspace, section: dict[str, Any]) -> None:
    workspace.set_config(charts={"sleeper": section | {"digest": "sha256:" + "1" * 64}})
    done = workspace.up(check=False)
    assert done.returncode != 0
    assert "model-serving:charts.sleeper.digest: " in done.stdout
    assert f"has another content than this digest: it is {section['digest']}" in done.stdout
    assert "Namespace" not in done.stdout
    workspace.set_config(charts={"sleeper": section})


def test_the_chart_runs_with_our_values(
    workspace: Workspace, section: dict[str, Any], local_cluster: LocalCluster
) -> None:
    workspace.up()
    tools = section["namespace"]
    ready = local_cluster.kubectl("get", "deployment", "sleeper", "-ojsonpath={.status.readyReplicas}", namespace=tools)
    assert ready == "2"
    labels = local_cluster.kubectl("get", "namespace", tools, "-ojsonpath={.metadata.labels}", namespace=tools)
    assert '"pod-security.kubernetes.io/enforce":"restricted"' in labels
    workspace.preview("--expect-no-changes")

    workspace.set_config(charts={"sleeper": section | {"values": section["values"] | {"replicas": 1}}})
    workspace.up()
    wanted = local_cluster.kubectl("get", "deployment", "sleeper", "-ojsonpath={.spec.replicas}", namespace=tools)
    assert wanted == "1"


def test_the_manifests_have_the_charts_objects(workspace: Workspace, section: dict[str, Any]) -> None:
    workspace.toolchain("render")
    folder = workspace.path / "rendered" / STACK
    deployment = yaml.safe_load((folder / f"{section['namespace']}-deployment-sleeper.yaml").read_text())
    assert deployment["metadata"]["namespace"] == section["namespace"]


def test_a_chart_that_was_changed_under_its_version_is_refused(
    workspace: Workspace, section: dict[str, Any], registry: str, local_cluster: LocalCluster, tmp_path: Path
) -> None:
    other = shutil.copytree(CHART, tmp_path / "sleeper")
    template = other / "templates" / "deployment.yaml"
    template.write_text(template.read_text().replace("infinity", "1d"))
    digest = push(other, registry, tmp_path / "pushed", local_cluster)
    assert digest != section["digest"]

    workspace.preview()  # what was fetched is what its digest says, whatever the registry has now
    shutil.rmtree(workspace.path / ".build" / ".charts")
    before = local_cluster.kubectl("get", "deployment", "sleeper", "-oyaml", namespace=section["namespace"])
    done = workspace.up(check=False)
    assert done.returncode != 0
    assert f"has another content than this digest: it is {digest}" in done.stdout
    after = local_cluster.kubectl("get", "deployment", "sleeper", "-oyaml", namespace=section["namespace"])
    assert after == before


@pytest.fixture
def repository(local_cluster: LocalCluster, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A chart repository on this machine with the chart, also under the name and version of NVIDIA's GPU operator: its
    address, and the digest of that one."""
    served, environment = tmp_path / "served", {**os.environ, **local_cluster.env}
    served.mkdir()
    other = shutil.copytree(CHART, tmp_path / "gpu-operator")
    named = (other / "Chart.yaml").read_text().replace("name: sleeper", f"name: {GPU_OPERATOR.name}")
    (other / "Chart.yaml").write_text(named.replace(f"version: {VERSION}", f"version: {GPU_OPERATOR.version}"))
    for chart in (CHART, other):
        subprocess.run(["helm", "package", chart, "-d", served], check=True, env=environment, capture_output=True)
    subprocess.run(["helm", "repo", "index", served], check=True, env=environment, capture_output=True)
    [archive] = served.glob(f"{GPU_OPERATOR.name}-*.tgz")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(served)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield (
        f"http://127.0.0.1:{server.server_port}",
        f"sha256:{hashlib.sha256(archive.read_bytes()).hexdigest()}",
    )
    server.shutdown()
    server.server_close()


def test_a_chart_of_a_repository_is_fetched_and_compared(
    workspace: Workspace, section: dict[str, Any], repository: tuple[str, str]
) -> None:
    address, _ = repository
    listed = yaml.safe_load(urllib.request.urlopen(f"{address}/index.yaml").read())["entries"]["sleeper"][0]
    chart = section | {"chart": "sleeper", "repository": address, "digest": f"sha256:{listed['digest']}"}
    folder = workspace.path / ".build" / ".charts"
    shutil.rmtree(folder, ignore_errors=True)
    workspace.set_config(charts={"sleeper": chart})
    workspace.preview()
    assert [file.name for file in folder.iterdir()] == [f"{listed['digest']}.tgz"]

    workspace.set_config(charts={"sleeper": chart | {"digest": "sha256:" + "1" * 64}})
    done = workspace.preview(check=False)
    assert done.returncode != 0
    assert f"sleeper {VERSION} has another content than this digest: it is sha256:{listed['digest']}" in done.stdout
    # An archive that is there is what its digest says; the version is only what it is looked for by.
    shutil.rmtree(folder)
    workspace.set_config(charts={"sleeper": chart | {"version": "0.2.0"}})
    done = workspace.preview(check=False)
    assert "model-serving:charts.sleeper: sleeper 0.2.0 cannot be fetched: " in done.stdout
    workspace.set_config(charts={"sleeper": section})


def test_a_chart_whose_digest_nobody_knows_waits_for_somebody_to_look(
    workspace: Workspace, section: dict[str, Any], repository: tuple[str, str]
) -> None:
    address, digest = repository
    gpus = {"gpus": {"provider": "existing", "nodeSelector": {"pool": "gpus"}, "gpu": {"type": "t4"}}}
    support = {"install": "gpu-operator", "repository": address}
    workspace.set_config(charts=None, nodePools=gpus, gpuSupport=support)
    done = workspace.preview(check=False)
    assert done.returncode != 0
    assert f"model-serving:gpuSupport.digest: is needed: gpu-operator {GPU_OPERATOR.version} has none" in done.stdout
    assert f"what {address} has now is {digest}" in done.stdout
    assert f"pulumi config set --path 'model-serving:gpuSupport.digest' {digest} --stack {STACK}" in done.stdout

    command = ["config", "set", "--path", "model-serving:gpuSupport.digest", digest, "--stack", STACK]
    workspace.pulumi(*command)
    done = workspace.preview(check=False)
    assert "gpuSupport.digest" not in done.stdout
    assert (workspace.path / ".build" / ".charts" / f"{digest.removeprefix('sha256:')}.tgz").is_file()
    # It is not NVIDIA's: what is rendered is our own chart, which wants an image.
    assert "image is needed" in done.stdout + done.stderr
    workspace.set_config(charts={"sleeper": section}, nodePools=None, gpuSupport=None)
