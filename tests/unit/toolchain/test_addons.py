"""Add-ons: what a stack asks for, and that none is started, stopped or left registered beyond that."""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.config import ModelConfig
from components.planning.triggers import adapter_config, targets
from toolchain import paths
from toolchain.cluster import processes
from toolchain.parts import catalog
from toolchain.services import addons, instance_types, service
from toolchain.services.api import Api
from toolchain.stack import Stack

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
RANGE = {"digits": {"replicas": {"min": 1, "max": 3}}}
BUILT = {"digits": {"source": {"framework": "keras", "path": "model/digits"}}}
POOL = {"l4": {"provider": "karpenter"}}


def stack(**settings: Any) -> Stack:
    return Stack("dev", "shop", Path("/nowhere"), {"cluster": "local", **settings}, None)


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, []),
        ({"models": {"digits": {"replicas": 2}}}, []),
        ({"models": {"digits": {"replicas": {"min": 2, "max": 2}}}}, []),
        ({"models": RANGE}, ["metrics-server"]),
        ({"nodePools": POOL}, ["karpenter"]),
        ({"logs": {"target": "file"}}, ["log-collector"]),
        ({"logs": {"target": "off"}}, []),
        ({"logs": {}}, []),
        ({"models": RANGE, "nodePools": POOL}, ["metrics-server", "karpenter"]),
        ({"charts": {"keda": {}}}, ["helm"]),
        ({"gpuSupport": {"install": "device-plugin"}}, ["helm"]),
        ({"imageSigning": {"publicKey": "MFkw"}}, ["cosign"]),
        ({"image": {"sbom": True, "provenance": "true"}, "models": BUILT}, ["oras", "syft"]),
        ({"image": {"sbom": True}, "imageSigning": {"publicKey": "MFkw"}, "models": BUILT}, ["syft", "cosign"]),
        ({"image": {"sbom": True}, "models": {"digits": {"image": "r.example.com/m"}}}, []),
        ({"image": "sbom"}, []),
        ({"nodePools": {"l4": {"provider": "existing"}}}, []),
        ({"models": RANGE, "nodePools": POOL, "cluster": "production"}, []),
        ({"models": [RANGE], "nodePools": "l4"}, []),
        ({"monitoring": {"mode": "install"}}, ["monitoring"]),
        ({"monitoring": {"mode": "existing"}}, ["monitoring"]),
        ({"monitoring": {"mode": "stack", "stack": "organization/shop/platform"}}, ["monitoring"]),
        ({"monitoring": {"mode": "chart"}}, ["helm"]),
        ({"monitoring": {"mode": "off"}}, []),
        ({"monitoring": "install"}, []),
    ],
)
def test_a_stack_file_says_what_its_cluster_must_have(settings: dict[str, Any], wanted: list[str]) -> None:
    assert stack(**settings).addons == wanted


WATCHED = {"monitoring": {"mode": "install"}}
FAST = {"slo": {"latencyP99": "50ms"}}


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        (WATCHED | {"models": {"digits": {"replicas": {"max": 3, "targetInFlight": 4}}}}, True),
        (WATCHED | {"models": {"digits": {"replicas": {"max": 3, "targetQueueTime": "5ms"}}}}, True),
        # A tenth of what is promised may be spent in the queue, of servers that tell of it.
        (WATCHED | {"models": {"digits": {"replicas": {"max": 3}} | FAST}}, True),
        (WATCHED | {"models": {"digits": {"replicas": {"max": 3}, "runtime": "triton"} | FAST}}, True),
        (WATCHED | {"models": {"digits": {"replicas": {"max": 3}, "runtime": "tf-serving"} | FAST}}, False),
        (WATCHED | {"models": {"digits": {"replicas": {"max": 3, "targetCPUUtilization": 50}} | FAST}}, False),
        (WATCHED | {"models": {"digits": {"replicas": {"max": 3}, "slo": {"availability": 99}}}}, False),
        (WATCHED | {"models": {"digits": {"replicas": 3} | FAST}}, False),
        (WATCHED | {"models": {"digits": {"replicas": {"min": 3, "max": 3}} | FAST}}, False),
        # KEDA asks Prometheus itself.
        (WATCHED | {"models": {"digits": {"replicas": {"max": 3, "targetInFlight": 4, "keda": {}}}}}, False),
        ({"models": {"digits": {"replicas": {"max": 3}} | FAST}}, False),
        (WATCHED | {"modelDefaults": {"replicas": {"max": 3}}, "models": {"digits": FAST}}, True),
        (WATCHED | {"modelDefaults": {"replicas": {"max": 3}} | FAST, "models": {"digits": {"replicas": 2}}}, False),
    ],
)
def test_an_adapter_is_had_where_models_are_scaled_by_what_they_measure(settings: dict[str, Any], wanted: bool) -> None:
    """As the program decides it, of whom the last word is."""
    assert ("prometheus-adapter" in stack(**settings).addons) == wanted


def test_the_program_s_autoscaler_asks_an_adapter_where_one_is_had() -> None:
    """The rule is written twice: the toolchain has no pydantic."""
    image = f"registry.example.com/m@sha256:{'a' * 64}"
    for replicas in ({"max": 3}, {"max": 3, "targetInFlight": 1}, {"max": 3, "targetCPUUtilization": 50}):
        for slo in ({}, {"slo": {"availability": 99}}, FAST):
            for runtime in ({}, {"runtime": "vllm", "files": {"claim": "m"}}):
                model = {"image": image, "replicas": replicas} | slo | runtime
                if runtime and slo == FAST:
                    model["slo"] = {"latencyP99": "800ms"}
                config = ModelConfig.model_validate(model)
                asked = any(target.metric for target in targets(config, watched=True))
                assert ("prometheus-adapter" in stack(**WATCHED, models={"m": model}).addons) == asked, model


def test_karpenter_is_had_with_what_simulates_its_nodes() -> None:
    assert {part.name for part in catalog.addon_parts(["karpenter", "kwok"])} == {"Karpenter", "kwok"}


class Recorded:
    """An API server that notes what it is asked for, and has nothing."""

    def __init__(self, asked: list[str]) -> None:
        self.asked = asked

    def get(self, path: str) -> None:
        self.asked.append(f"get {path}")

    def delete(self, path: str) -> None:
        self.asked.append(f"delete {path}")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(addons.Machine, "api", lambda machine: Recorded(found))
    return found


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[addons.Machine]:
    machine = addons.Machine(paths.data(), tmp_path, tmp_path / "kubeconfig")
    machine.folder.mkdir(parents=True)
    yield machine
    processes.terminate(processes.load(service.table(machine.data)).values(), grace_seconds=2)


def running(machine: addons.Machine, *names: str) -> list[processes.ProcessRecord]:
    for name in names:
        service.ensure(machine.data, name, SLEEP, lambda: True, tools=machine.tools)
    return list(processes.load(service.table(machine.data)).values())


def quiet(text: str) -> None:
    pass


def test_a_metrics_server_that_is_gone_is_taken_off_the_api(machine: addons.Machine, asked: list[str]) -> None:
    (machine.folder / "metrics-server.registered").touch()
    addons.start([], machine, quiet)
    assert "delete /apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io" in asked
    addons.start([], machine, quiet)
    assert len(asked) == 3  # once is enough


def test_one_that_runs_stays(machine: addons.Machine, asked: list[str]) -> None:
    (machine.folder / "metrics-server.registered").touch()
    (record,) = running(machine, "metrics-server")
    addons.start(["helm"], machine, quiet)
    assert record.alive
    assert asked == []


def test_one_that_ended_and_is_not_asked_for_is_no_longer_told_of(machine: addons.Machine, asked: list[str]) -> None:
    _, kwok = running(machine, "registry-5001", "kwok")
    processes.terminate([kwok], grace_seconds=2)
    addons.start([], machine, quiet)
    assert list(processes.load(service.table(machine.data))) == ["registry-5001"]


def test_stop_ends_addons_and_no_other_service(machine: addons.Machine) -> None:
    registry, karpenter = running(machine, "registry-5001", "karpenter")
    assert addons.stop(machine.data) == ["karpenter"]
    assert registry.alive
    assert not karpenter.alive


def test_a_port_is_kept_and_two_processes_never_share_one(machine: addons.Machine) -> None:
    uses = [("kwok", ""), ("karpenter", "-health"), ("karpenter", "-metrics")]
    first = [machine.port(*use) for use in uses]
    assert len(set(first)) == 3
    assert [machine.port(*use) for use in uses] == first


def test_kind_is_told_how_metrics_server_is_installed(machine: addons.Machine, asked: list[str]) -> None:
    by_hand = addons.in_docker(["metrics-server"], machine, quiet)
    assert "helm upgrade --install metrics-server" in by_hand
    assert addons.in_docker([], machine, quiet) == ""
    (line,) = addons.in_docker(["monitoring-of-nobody", "prometheus-adapter"], machine, quiet).splitlines()
    assert "until the cluster has prometheus-adapter" in line
    assert "python -m components.adapter_config" in line


class Answering(Recorded):
    """One that has taken what it was told."""

    server = "https://127.0.0.1:6443"

    def apply(self, collection: str, item: dict[str, Any]) -> None:
        self.asked.append(f"apply {item['kind']} {item['metadata']['name']}")

    def has(self, path: str, condition: str) -> bool:
        return True


def test_the_adapter_asks_the_prometheus_of_the_stack(
    machine: addons.Machine, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: dict[str, list[str]] = {}
    monkeypatch.setattr(addons.Machine, "api", lambda machine: Answering(asked))
    monkeypatch.setattr(
        addons.Machine, "run", lambda machine, process, arguments, url, **_: started.update({process: arguments})
    )
    addons.start(["prometheus-adapter"], replace(machine, prometheus="platform-monitoring"), quiet)
    arguments = started["prometheus-adapter"]
    address = "https://127.0.0.1:6443/api/v1/namespaces/platform-monitoring/services/prometheus-operated:9090/proxy"
    assert f"--prometheus-url={address}" in arguments
    (file,) = [argument.removeprefix("--config=") for argument in arguments if argument.startswith("--config=")]
    assert yaml.safe_load(Path(file).read_text()) == adapter_config()
    assert "apply APIService v1beta1.custom.metrics.k8s.io" in asked
    # Once it has ended, the API server is told so.
    addons.start([], machine, quiet)
    assert "delete /apis/apiregistration.k8s.io/v1/apiservices/v1beta1.custom.metrics.k8s.io" in asked


def test_an_object_of_the_api_server_that_says_nothing_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api.__new__(Api)
    for answer in (None, {}, {"status": {"conditions": [{"type": "Available", "status": "False"}]}}):
        monkeypatch.setattr(api, "get", lambda path, answer=answer: answer)
        assert not api.has("/some/object", "Available")
    monkeypatch.setattr(api, "get", lambda path: {"status": {"conditions": [{"type": "Available", "status": "True"}]}})
    assert api.has("/some/object", "Available")


def test_machines_are_in_the_format_of_karpenters_own_list() -> None:
    """Keys as in its kwok/cloudprovider/instance_types.json."""
    types = json.loads(json.dumps(instance_types.all_types()))
    assert len({entry["name"] for entry in types}) == len(types)
    for entry in types:
        assert set(entry) == {"name", "architecture", "operatingSystems", "resources", "offerings"}
        for offering in entry["offerings"]:
            assert set(offering) == {"Price", "Available", "Requirements"}
    with_gpus = {entry["name"]: entry["resources"]["nvidia.com/gpu"] for entry in types if entry["name"][0] in "gp"}
    assert with_gpus == {"g6.xlarge": "1", "g6.12xlarge": "4", "g5.xlarge": "1", "p5.48xlarge": "8"}
