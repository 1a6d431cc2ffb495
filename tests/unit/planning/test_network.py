"""The holes in the network policies: what passes, asked as a network would be."""

from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from components.config import ModelConfig, NetworkConfig
from components.planning.names import selector_labels
from components.planning.network import Destination, Policy, model_policy
from components.planning.runtimes import runtime_of

Model = Callable[..., ModelConfig]
SELECTOR = selector_labels("dev", "digits")
OWN, DNS = "models", {"namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}}


def policy(config: ModelConfig, network: dict[str, Any] | None = None, **more: Any) -> Policy:
    return model_policy(
        config, runtime_of("digits", config), NetworkConfig.model_validate(network or {}), SELECTOR, **more
    )


def passes(rules: Any, side: str, who: dict[str, Any] | str, port: int, protocol: str = "TCP") -> bool:
    """Whether a pod ({namespace, labels}) or an address gets through, as Kubernetes documents its policies."""
    return any(
        {"protocol": protocol, "port": port} in rule["ports"]
        and (side not in rule or any(_matches(peer, who) for peer in rule[side]))
        for rule in rules
    )


def _matches(peer: dict[str, Any], who: dict[str, Any] | str) -> bool:
    if isinstance(who, str):
        return "ip_block" in peer and ip_address(who) in ip_network(peer["ip_block"]["cidr"])
    if "ip_block" in peer:
        return False
    namespace = peer.get("namespace_selector", {"match_labels": {"kubernetes.io/metadata.name": OWN}})["match_labels"]
    pods = peer.get("pod_selector", {}).get("match_labels", {})
    return (
        namespace.items() <= {"kubernetes.io/metadata.name": who["namespace"]}.items()
        and pods.items() <= who["labels"].items()
    )


def pod(namespace: str, **labels: str) -> dict[str, Any]:
    return {"namespace": namespace, "labels": labels}


def into(found: Policy, who: dict[str, Any] | str, port: int = 8080) -> bool:
    return passes(dict(found.spec)["ingress"], "from_", who, port)


def out_of(found: Policy, whom: dict[str, Any] | str, port: int, protocol: str = "TCP") -> bool:
    return passes(dict(found.spec)["egress"], "to", whom, port, protocol)


def test_by_default_only_pods_of_the_namespace_come_in_and_nothing_goes_out(model: Model) -> None:
    found = policy(model())
    assert into(found, pod(OWN))
    assert not into(found, pod(OWN), port=22)
    assert not into(found, pod("other"))
    assert not into(found, "10.0.0.7")
    assert dict(found.spec)["egress"] == []
    assert dict(found.spec)["policy_types"] == ["Ingress", "Egress"]
    assert found.holes == ("in: pods of this namespace",)


def test_grpc_is_let_in_where_there_is_some_and_metrics_are_not_for_everybody(model: Model) -> None:
    files = {"image": "registry.example.com/m@sha256:" + "b" * 64}
    found = policy(model(runtime="triton", files=files), {"allowFrom": [{"namespace": "monitoring"}]})
    assert [into(found, pod(OWN), port) for port in (8000, 8001, 8002)] == [True, True, False]
    assert [into(found, pod("monitoring"), port) for port in (8000, 8001, 8002)] == [True, True, True]


@pytest.mark.parametrize("kind", ["NodePort", "LoadBalancer"])
def test_a_service_of_the_outside_is_open_to_it(model: Model, kind: str) -> None:
    found = policy(model(service={"type": kind}))
    assert into(found, "203.0.113.7")
    assert into(found, pod("other"))
    assert not into(found, "203.0.113.7", port=22)
    assert found.holes == (f"in: anybody, for the {kind}",)


def test_an_ingress_controller_comes_in_over_http(model: Model) -> None:
    found = policy(model(ingress={"host": "d.example.com", "controllerNamespace": "nginx"}, ports={"grpc": 9000}))
    assert [into(found, pod("nginx"), port) for port in (8080, 9000)] == [True, False]
    assert not into(found, pod("other"))
    assert "in: the Ingress controller in nginx" in found.holes


@pytest.mark.parametrize(("proxies", "where"), [({}, "gateways"), ({"proxyNamespace": "proxies"}, "proxies")])
def test_the_pods_of_a_gateway_come_in(model: Model, proxies: dict[str, str], where: str) -> None:
    gateway = {"name": "shared", "namespace": "gateways", **proxies}
    found = policy(model(route={"host": "d.example.com", "gateway": gateway}))
    assert [into(found, pod(name)) for name in ("gateways", "proxies")] == [where == "gateways", where == "proxies"]


def test_configured_callers_come_in(model: Model) -> None:
    own = {"allowFrom": [{"namespace": "web", "pods": {"app": "shop"}}, {"cidr": "10.1.0.0/16"}]}
    found = policy(model(network=own), {"allowFrom": [{"namespace": "monitoring"}]})
    assert into(found, pod("web", app="shop"))
    assert not into(found, pod("web", app="blog"))
    assert into(found, "10.1.2.3")
    assert not into(found, "10.2.2.3")
    assert into(found, pod("monitoring"))
    assert found.holes[1:] == ("in: pods of monitoring", "in: pods app=shop of web", "in: 10.1.0.0/16")


def test_labels_without_a_namespace_are_of_pods_beside_the_model(model: Model) -> None:
    own = {"allowFrom": [{"pods": {"app": "shop"}}]}
    rules: Any = policy(model(network=own)).spec.get("ingress")
    assert rules[1]["from_"] == [{"pod_selector": {"match_labels": {"app": "shop"}}}]


def test_prometheus_reads_the_metrics_and_nothing_else(model: Model) -> None:
    files = {"image": "registry.example.com/m@sha256:" + "b" * 64}
    found = policy(model(runtime="triton", files=files), scraper="monitoring")
    assert [into(found, pod("monitoring"), port) for port in (8000, 8001, 8002)] == [False, False, True]
    assert "in: Prometheus in monitoring, for metrics" in found.holes


class TestWhatAServerCalls:
    def test_a_name_outside_is_its_port_and_dns(self, model: Model) -> None:
        found = policy(model(network={"allowTo": [{"host": "features.example.com", "port": 443}]}))
        assert out_of(found, "203.0.113.7", 443)
        assert not out_of(found, "203.0.113.7", 80)
        assert out_of(found, DNS, 53, "UDP")
        assert out_of(found, DNS, 53)
        assert out_of(found, "169.254.20.10", 53, "UDP")
        assert not out_of(found, pod("kube-system", app="other"), 53, "UDP")
        assert not out_of(found, "203.0.113.7", 53, "UDP")
        assert found.holes[1:] == ("out: DNS", "out: features.example.com:443")

    @pytest.mark.parametrize("host", ["10.0.0.7", "2001:db8::7"])
    def test_an_address_needs_no_dns(self, model: Model, host: str) -> None:
        found = policy(model(network={"allowTo": [{"host": host, "port": 5432}]}))
        assert out_of(found, host, 5432)
        assert not out_of(found, "10.0.0.8", 5432)
        assert not out_of(found, DNS, 53, "UDP")

    @pytest.mark.parametrize("host", ["db.data.svc", "db.data.svc.cluster.local"])
    def test_a_service_is_its_namespace(self, model: Model, host: str) -> None:
        found = policy(model(network={"allowTo": [{"host": host, "port": 5432}]}))
        assert out_of(found, pod("data"), 5432)
        assert not out_of(found, pod("other"), 5432)
        assert not out_of(found, "203.0.113.7", 5432)

    def test_a_service_beside_the_model(self, model: Model) -> None:
        found = policy(model(network={"allowTo": [{"host": "db", "port": 5432}]}))
        assert out_of(found, pod(OWN), 5432)
        assert not out_of(found, pod("other"), 5432)

    def test_what_the_program_itself_makes_it_call(self, model: Model) -> None:
        database = Destination(host="db.example.com", port=5432)
        found = policy(model(network={"allowTo": [{"host": "db.example.com", "port": 5432}]}), destinations=[database])
        assert out_of(found, "203.0.113.7", 5432)
        assert found.holes.count("out: db.example.com:5432") == 1
