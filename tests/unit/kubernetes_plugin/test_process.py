"""The process as the engine sees it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from tests.unit.kubernetes_plugin.conftest import ApiServer
from toolchain.kubernetes_plugin.values import UNKNOWN, read, write
from toolchain.versions import KUBERNETES_PLUGIN

ROOT = Path(__file__).resolve().parents[3]
URN = "urn:pulumi:dev::shop::kubernetes:core/v1:ConfigMap::a"


@pytest.fixture
def process(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """The plugin, started with an engine's pipes, where there is no cluster."""
    command = [sys.executable, "-m", "toolchain.kubernetes_plugin", "127.0.0.1:1"]
    pipe, env = subprocess.PIPE, {**os.environ, "HOME": str(tmp_path), "KUBECONFIG": ""}
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=env) as started:
        yield started
        started.kill()


@pytest.fixture
def stub(process: "subprocess.Popen[str]") -> Iterator[Any]:
    assert process.stdout is not None
    with grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
        yield provider_pb2_grpc.ResourceProviderStub(channel)


def test_it_ends_with_the_engine(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    assert int(process.stdout.readline()) > 0
    process.stdin.close()
    assert process.wait(5) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_quietly_when_told_to(process: "subprocess.Popen[str]", number: signal.Signals) -> None:
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.send_signal(number)
    assert process.wait(5) == 0
    assert process.stderr.read() == ""


def test_it_says_which_version_it_stands_in_for(stub: Any) -> None:
    assert stub.GetPluginInfo(Empty()).version == KUBERNETES_PLUGIN
    assert stub.Handshake(provider_pb2.ProviderHandshakeRequest(engine_address="x")).accept_secrets


def test_without_a_cluster_it_previews_from_the_inputs_and_refuses_the_rest(stub: Any) -> None:
    stub.Configure(provider_pb2.ConfigureRequest(args=write({})))
    program = write({"apiVersion": "v1", "kind": "ConfigMap", "data": {"x": UNKNOWN}})
    checked = stub.Check(provider_pb2.CheckRequest(urn=URN, news=program, randomSeed=b"s")).inputs
    assert read(checked)["metadata"]["namespace"] == "default"
    preview = stub.Create(provider_pb2.CreateRequest(urn=URN, properties=checked, preview=True))
    assert preview.properties == checked
    with pytest.raises(grpc.RpcError) as error:
        stub.Create(provider_pb2.CreateRequest(urn=URN, properties=checked))
    assert error.value.details() == (
        "configured Kubernetes cluster is unreachable: no kubeconfig found: set KUBECONFIG, or create ~/.kube/config, "
        "or give the provider one"
    )


def test_a_diff_has_paths_and_kinds(stub: Any) -> None:
    stub.Configure(provider_pb2.ConfigureRequest(args=write({})))
    old = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "1"}}
    new = write({**old, "data": {"x": "2"}})
    answer = stub.Diff(provider_pb2.DiffRequest(urn=URN, olds=write({**old, "__inputs": old}), news=new))
    assert answer.changes == provider_pb2.DiffResponse.DIFF_SOME
    assert dict(answer.detailedDiff)["data.x"].kind == provider_pb2.PropertyDiff.UPDATE_REPLACE
    assert (list(answer.replaces), answer.deleteBeforeReplace) == (["data.x"], True)


def test_an_object_that_is_there_but_not_ready_comes_back_with_its_state(stub: Any, api: ApiServer) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "n", "uid": "1"}}
    api.on("POST", "/api/v1/namespaces/n/pods", (201, pod))
    api.on("GET", "/api/v1/namespaces/n/pods", (200, {"items": [pod]}))
    kubeconfig = {
        "clusters": [{"name": "c", "cluster": {"server": api.url}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
        "users": [{"name": "c", "user": {}}],
        "current-context": "c",
    }
    stub.Configure(provider_pb2.ConfigureRequest(args=write({"kubeconfig": yaml.safe_dump(kubeconfig)})))
    urn = "urn:pulumi:dev::shop::kubernetes:core/v1:Pod::a"
    with pytest.raises(grpc.RpcError) as error:
        stub.Create(provider_pb2.CreateRequest(urn=urn, properties=write(pod), timeout=0.3))
    trailers: dict[str, bytes] = dict(error.value.trailing_metadata())  # type: ignore[attr-defined]
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    detail = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(detail)
    assert detail.id == "n/a"
    assert read(detail.properties)["__inputs"] == pod
    assert "timed out" in detail.reasons[0]


def test_unsupported_types_are_named(stub: Any) -> None:
    request = provider_pb2.ConstructRequest(type="kubernetes:kustomize/v2:Directory")
    with pytest.raises(grpc.RpcError) as error:
        stub.Construct(request)
    assert "kubernetes:kustomize/v2:Directory is not supported" in error.value.details()  # type: ignore[attr-defined]
