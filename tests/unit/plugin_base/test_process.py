"""What the engine sees of every plugin's process."""

import json
import signal
import subprocess  # noqa: TC003 - pytest reads the annotations
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import provider_pb2

from tests.unit.plugin_base.processes import connected, started
from toolchain.plugin_base.values import read, write
from toolchain.versions import DOCKER_PLUGIN, KUBERNETES_PLUGIN

VERSIONS = {"kubernetes": KUBERNETES_PLUGIN, "docker": DOCKER_PLUGIN}


@pytest.fixture(params=list(VERSIONS))
def package(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def process(package: str, tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    with started(f"toolchain.{package}_plugin", tmp_path) as process:
        yield process


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


def test_what_it_says_of_itself(process: "subprocess.Popen[str]", package: str) -> None:
    with connected(process) as stub:
        assert stub.GetPluginInfo(Empty()).version == VERSIONS[package]
        assert stub.Handshake(provider_pb2.ProviderHandshakeRequest(engine_address="x")).accept_secrets
        schema = json.loads(stub.GetSchema(provider_pb2.GetSchemaRequest()).schema)
        assert schema == {"name": package, "version": VERSIONS[package]}
        assert stub.Configure(provider_pb2.ConfigureRequest(args=write({}))).acceptSecrets


def test_what_it_cannot_do_is_an_error_for_the_user(process: "subprocess.Popen[str]", package: str) -> None:
    with connected(process) as stub, pytest.raises(grpc.RpcError) as error:
        stub.Invoke(provider_pb2.InvokeRequest(tok=f"{package}:index:get"))
    said = f"{package}:index:get is not supported by this {package.capitalize()} plugin, which stands in for"
    assert said in error.value.details()  # type: ignore[attr-defined]


def test_a_strange_setting_is_named(process: "subprocess.Popen[str]", package: str) -> None:
    with connected(process) as stub:
        checked = stub.CheckConfig(provider_pb2.CheckRequest(news=write({"strange": "x"})))
    assert read(checked.inputs) == {"strange": "x"}
    assert "strange" in {failure.property for failure in checked.failures}
