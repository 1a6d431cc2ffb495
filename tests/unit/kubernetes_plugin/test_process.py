"""The process as the engine sees it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from pulumi.runtime.proto import provider_pb2, status_pb2

from tests.unit.kubernetes_plugin.conftest import ApiServer
from tests.unit.plugin_base.processes import connected, started
from toolchain.plugin_base.values import UNKNOWN, read, write

URN = "urn:pulumi:dev::shop::kubernetes:core/v1:ConfigMap::a"


@pytest.fixture
def stub(tmp_path: Path) -> Iterator[Any]:
    """The plugin, started where there is no cluster."""
    with started("toolchain.kubernetes_plugin", tmp_path) as process, connected(process) as stub:
        yield stub


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
