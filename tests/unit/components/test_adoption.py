"""Taking over a Service that somebody else made: what it is refused for, and what the program then declares."""

from dataclasses import replace
from typing import Any

import pytest

from components.adoption_check import LiveService, adoption_problems
from components.config import ModelConfig
from components.config.problems import Commands
from components.planning.names import selector_labels

from .recording import DIGEST, STACK, Recording, record

LIVE = LiveService(
    name="api",
    namespace="team",
    type="ClusterIP",
    headless=False,
    selector={"app": "old"},
    ports={("TCP", 80): "http"},
    annotations=(),
)
THE_SERVICE = "the Service api of namespace team"
IMAGE = f"registry.example.com/acme/models/digits@{DIGEST}"


def told(service: dict[str, Any], **live: Any) -> list[str]:
    """What is said of a model with this `service` and a Service that differs from LIVE as said."""
    seen = replace(LIVE, **live)
    model = ModelConfig.model_validate({"image": IMAGE, "service": {"name": "api", "adopt": True, **service}})
    return [str(problem) for problem in adoption_problems("dev", "digits", model, seen, Commands("dev"))]


def path(key: str) -> str:
    return f"model-serving:models.digits.service.{key}"


@pytest.mark.parametrize(
    ("service", "live"),
    [
        ({}, {}),
        ({"type": "NodePort"}, {"type": "NodePort"}),
        ({"type": "LoadBalancer"}, {"type": "NodePort"}),
        ({"port": 8501, "portName": "web"}, {"ports": {("TCP", 8501): "web"}}),
        ({"portName": ""}, {"ports": {("TCP", 80): ""}}),
        ({"annotations": {"example.com/zone": "a"}}, {"annotations": ("example.com/zone",)}),
        ({"type": "LoadBalancer", "internal": True}, {"annotations": ("networking.gke.io/load-balancer-type",)}),
        # The update after it was taken over, with `adopt` still there.
        ({}, {"selector": selector_labels("dev", "digits")}),
    ],
)
def test_its_clients_lose_nothing(service: dict[str, Any], live: dict[str, Any]) -> None:
    assert told(service, **live) == []


@pytest.mark.parametrize("live", [{"type": "ExternalName"}, {"headless": True}, {"selector": {}}])
def test_one_that_sends_nothing_to_pods(live: dict[str, Any]) -> None:
    [line] = told({}, **live)
    assert line.startswith(f"{path('name')}: {THE_SERVICE} cannot be adopted: it does not send requests to pods")


def test_one_that_is_reached_from_outside() -> None:
    assert told({}, type="LoadBalancer") == [
        f"{path('type')}: is ClusterIP, and {THE_SERVICE} is a LoadBalancer: its clients outside would lose it "
        "-> pulumi config set --path 'model-serving:models.digits.service.type' LoadBalancer --stack dev"
    ]


def test_one_that_answers_on_another_port() -> None:
    assert told({}, ports={("TCP", 8501): "http"}) == [
        f"{path('port')}: is 80, and {THE_SERVICE} answers on 8501/TCP too, which its clients would lose "
        "-> pulumi config set --path 'model-serving:models.digits.service.port' 8501 --stack dev"
    ]


def test_one_whose_port_has_another_name() -> None:
    """And one of another number: both are told at once."""
    expected = (
        f'{path("portName")}: is "http", and {THE_SERVICE} calls its port 80 "": with another name it would refuse '
        "requests for a moment -> pulumi config set --path 'model-serving:models.digits.service.portName' '' "
        "--stack dev"
    )
    assert told({}, ports={("TCP", 80): ""}) == [expected]
    assert len(told({}, ports={("TCP", 8501): "web"})) == 2


def test_one_whose_port_for_grpc_has_another_name() -> None:
    model = ModelConfig.model_validate({"image": IMAGE, "ports": {"grpc": 9000}, "service": {"adopt": True}})
    seen = replace(LIVE, ports={("TCP", 80): "http", ("TCP", 9000): "rpc"})
    [problem] = adoption_problems("dev", "digits", model, seen, Commands("dev"))
    assert 'is "grpc", and' in problem.message
    assert problem.fix == "let clients move to a Service of the model's own"


@pytest.mark.parametrize(
    "ports",
    [
        {("TCP", 80): "http", ("TCP", 9090): "metrics"},
        {("TCP", 80): "http", ("UDP", 80): "quic"},
        {("UDP", 53): "dns"},
    ],
)
def test_one_with_a_port_that_the_model_has_not(ports: dict[tuple[str, int], str]) -> None:
    [line] = told({}, ports=ports)
    assert line.startswith(f"{path('port')}: is 80, and {THE_SERVICE} answers on ")
    assert "take what nobody uses out of that Service first" in line


def test_one_with_an_annotation_that_would_be_dropped() -> None:
    assert told({}, annotations=("example.com/zone",)) == [
        f'{path("annotations")}["example.com/zone"]: is an annotation of {THE_SERVICE}, which it would lose '
        "-> pulumi config set --path 'model-serving:models.digits.service.annotations[\"example.com/zone\"]' "
        "'<its value>' --stack dev, or kubectl annotate service api --namespace team example.com/zone-"
    ]


def test_one_that_would_send_requests_to_the_new_pods_before_its_ports_are_theirs() -> None:
    [line] = told({}, selector={"app.kubernetes.io/name": "digits"})
    assert "selects the new pods already (app.kubernetes.io/name=digits)" in line


ADOPTED = {"name": "digits-api", "port": 8080, "portName": "web", "type": "NodePort", "adopt": True}
SPEC = {
    "type": "NodePort",
    "selector": {"app": "old"},
    "ports": [{"name": "web", "port": 8080, "targetPort": 8501, "nodePort": 30123}],
    "clusterIP": "10.96.1.2",
}


def stack(service: dict[str, Any], **sections: Any) -> dict[str, Any]:
    return STACK | {"namespace": "team", "models": {"digits": {"image": IMAGE, "service": service}}} | sections


def services(recording: Recording) -> dict[str, Any]:
    return {r.name: r.inputs for r in recording.resources if r.type == "kubernetes:core/v1:Service"}


def test_the_service_keeps_its_name_and_port_and_gets_the_models_pods() -> None:
    recording = record(stack(ADOPTED, createNamespace=False), live={"team/digits-api": {"metadata": {}, "spec": SPEC}})
    service = services(recording)["digits-service"]
    assert service["metadata"]["name"] == "digits-api"
    assert service["metadata"]["annotations"] == {"pulumi.com/patchForce": "true"}
    assert service["spec"] == {
        "type": "NodePort",
        "selector": selector_labels("dev", "digits"),
        "ports": [{"name": "web", "port": 8080, "targetPort": "http", "protocol": "TCP"}],
    }
    assert recording.imported == {"digits-service": "team/digits-api"}
    model = recording.outputs["models"]["digits"]
    assert (model["service"], model["port"], model["url"]) == (
        "digits-api",
        8080,
        "http://digits-api.team.svc:8080",
    )


def test_an_ingress_finds_a_port_without_a_name_by_its_number() -> None:
    ingress = {"host": "digits.example.com", "controllerNamespace": "ingress-nginx"}
    for name, port in (("web", {"name": "web"}), ("", {"number": 80})):
        model = {"image": IMAGE, "service": {"portName": name}, "ingress": ingress}
        [rule] = record(STACK | {"models": {"digits": model}}).one("Ingress")["spec"]["rules"]
        assert rule["http"]["paths"][0]["backend"]["service"]["port"] == port


def test_afterwards_it_is_a_service_like_any_other() -> None:
    recording = record(stack({**ADOPTED, "adopt": False}, createNamespace=False))
    assert services(recording).keys() == {"digits-service"}
    assert "annotations" not in services(recording)["digits-service"]["metadata"]
    assert recording.imported == {}


def test_nothing_is_declared_where_clients_would_lose_something(monkeypatch: pytest.MonkeyPatch) -> None:
    messages: list[str] = []
    monkeypatch.setattr("pulumi.log.error", messages.append)
    metadata = {
        "annotations": {"example.com/zone": "a", "example.com/seen": "b", "kubectl.kubernetes.io/x": "c"},
        "managedFields": [
            {
                "manager": "kubectl-client-side-apply",
                "operation": "Update",
                "fieldsV1": {
                    "f:metadata": {"f:annotations": {"f:example.com/zone": {}, "f:kubectl.kubernetes.io/x": {}}}
                },
            },
            {
                "manager": "a-controller",
                "operation": "Update",
                "fieldsV1": {"f:metadata": {"f:annotations": {"f:example.com/seen": {}}}},
            },
        ],
    }
    recordings: list[Recording] = []
    live = {"team/digits-api": {"spec": SPEC, "metadata": metadata}}
    with pytest.raises(SystemExit):
        record(stack({"name": "digits-api", "adopt": True}), live=live, keep=recordings)
    [message] = messages
    assert "4 mistakes" in message
    for key in ("type", "port", "portName", 'annotations["example.com/zone"]'):
        assert f"model-serving:models.digits.service.{key}: " in message
    assert recordings[0].kinds() == ["Service"], "the one that was read"


def test_a_namespace_of_others_is_left_as_it_is() -> None:
    recording = record(STACK | {"createNamespace": False})
    assert "Namespace" not in recording.kinds()
    policies = [r.name for r in recording.resources if r.type.endswith(":NetworkPolicy")]
    assert policies == ["digits-network"], "a policy for every pod of the namespace would cut others off"
    assert {r.inputs["metadata"]["namespace"] for r in recording.resources if r.type.startswith("kubernetes:")} == {
        "models"
    }
    assert recording.outputs["namespace"] == "models"
