"""What a stack file may say, and what is understood from it."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from components.config import LoadedConfig, ResourcesConfig
from components.config.types import PublicKey

from .conftest import Load

DIGEST = "sha256:" + "0123456789abcdef" * 4

SMALLEST: dict[str, Any] = {
    "cluster": "local",
    "namespace": "models",
    "registry": {"repository": "localhost:5001/models"},
    "models": {"digits": {"source": {"framework": "keras", "path": "model/digits"}}},
}

BEHAVIOR = {
    "scaleUp": {
        "stabilizationWindowSeconds": 0,
        "selectPolicy": "Max",
        "policies": (
            {"type": "Pods", "value": 1, "periodSeconds": 60},
            {"type": "Percent", "value": 100, "periodSeconds": 60},
        ),
    },
    "scaleDown": {
        "stabilizationWindowSeconds": 300,
        "selectPolicy": "Max",
        "policies": (
            {"type": "Pods", "value": 1, "periodSeconds": 60},
            {"type": "Percent", "value": 10, "periodSeconds": 60},
        ),
    },
}


def test_the_smallest_file_and_every_default(load: Load) -> None:
    config = load(SMALLEST).config
    assert config.model_dump(by_alias=True) == {
        "cluster": {"context": "local", "kubeconfig": None, "from": None},
        "namespace": "models",
        "createNamespace": True,
        "registry": {"repository": "localhost:5001/models", "pullSecret": None},
        "image": {"platforms": (), "sbom": False, "provenance": False},
        "imageSigning": None,
        "signing": None,
        "modelDefaults": {},
        "protect": False,
        "prices": None,
        "network": {"defaultDeny": True, "allowFrom": ()},
        "env": {},
        "secrets": (),
        "database": None,
        "proxy": None,
        "caBundle": None,
        "capacityCheck": "error",
        "models": {
            "digits": {
                "source": {"framework": "keras", "path": "model/digits", "artifact": None, "quantization": None},
                "image": None,
                "runtime": "onnx",
                "accelerator": "none",
                "files": None,
                "container": None,
                "replicas": {
                    "min": 1,
                    "max": 1,
                    "targetCPUUtilization": None,
                    "targetInFlight": None,
                    "targetQueueTime": None,
                    "behavior": BEHAVIOR,
                    "keda": None,
                },
                "resources": {"requests": {"cpu": None, "memory": None}, "limits": {"cpu": None, "memory": None}},
                "env": {},
                "secrets": (),
                "ports": {"http": None, "grpc": None, "metrics": None},
                "service": {
                    "name": None,
                    "port": 80,
                    "portName": "http",
                    "adopt": False,
                    "type": "ClusterIP",
                    "annotations": {},
                    "internal": False,
                    "sourceRanges": (),
                },
                "startupTimeoutSeconds": 120,
                "requestTimeoutSeconds": 30,
                "spread": {"zone": "preferred", "node": "preferred"},
                "disruptionBudget": None,
                "priorityClass": None,
                "rollout": {"maxSurge": 1, "maxUnavailable": None},
                "nodePool": None,
                "gpus": None,
                "ingress": None,
                "route": None,
                "canary": None,
                "network": {"allowFrom": (), "allowTo": ()},
                "configFiles": {},
                "database": None,
                "identity": None,
                "slo": None,
                "renamedFrom": None,
            }
        },
        "monitoring": {
            "mode": "off",
            "stack": None,
            "shared": False,
            "labels": {},
            "namespace": "monitoring",
            "scrapeInterval": "30s",
            "runbookUrl": None,
            "install": {
                "imageRegistry": None,
                "images": dict.fromkeys(
                    (
                        "prometheus",
                        "alertmanager",
                        "grafana",
                        "dashboards",
                        "stateMetrics",
                        "nodeExporter",
                        "dcgmExporter",
                    )
                ),
                "replicas": 1,
                "retention": "30d",
                "storage": None,
                "grafana": True,
                "stateMetrics": True,
                "nodeExporter": True,
                "allowFrom": (),
            },
            "chart": {"version": None, "repository": None, "digest": None},
        },
        "alerts": None,
        "logs": {
            "target": "off",
            "endpoint": None,
            "authorization": None,
            "tenant": None,
            "folder": None,
            "maxSize": None,
            "buffer": None,
            "image": None,
            "namespace": None,
            "resources": None,
        },
        "nodePools": {},
        "gpuSupport": None,
        "charts": {},
        "docker": {"database": None, "prometheus": None},
    }


def test_everything_at_once(load: Load) -> None:
    config, secrets = load(
        {
            "cluster": "gke_acme_europe-west1_prod",
            "namespace": "vision",
            "registry": {"repository": "registry.example.com:5000/acme/models", "pullSecret": "registry-login"},
            "image": {"platforms": ["linux/amd64", "linux/arm64"]},
            "models": {
                "digits": {
                    "source": {"framework": "keras", "path": "model/digits"},
                    "replicas": {"min": 3, "max": 6, "targetCPUUtilization": 50},
                    "resources": {
                        "requests": {"cpu": 0.5, "memory": "256Mi"},
                        "limits": {"cpu": 2, "memory": "1.5Gi"},
                    },
                    "env": {"LOG_LEVEL": "debug", "WORKERS": 2, "TRACE": True, "RATE": "1.10"},
                    "secrets": ["apiToken", "database.password"],
                    "ports": {"http": 9000},
                    "service": {"type": "NodePort"},
                    "startupTimeoutSeconds": 600,
                    "requestTimeoutSeconds": 5,
                    "spread": {"zone": "required"},
                    "disruptionBudget": {"minAvailable": "50%"},
                    "priorityClass": "online",
                },
                "promoted": {"image": f"registry.example.com:5000/acme/models/digits:staging@{DIGEST}"},
            },
        },
        secrets={"apiToken": "one", "database.password": "two"},
    )
    assert config.model_dump(by_alias=True, exclude_defaults=True) == {
        "cluster": {"context": "gke_acme_europe-west1_prod"},
        "namespace": "vision",
        "registry": {
            "repository": "registry.example.com:5000/acme/models",
            "pullSecret": {"name": "registry-login"},
        },
        "image": {"platforms": ("linux/amd64", "linux/arm64")},
        "models": {
            "digits": {
                "source": {"framework": "keras", "path": "model/digits"},
                "replicas": {"min": 3, "max": 6, "targetCPUUtilization": 50},
                "resources": {"requests": {"cpu": "0.5", "memory": "256Mi"}, "limits": {"cpu": "2", "memory": "1.5Gi"}},
                "env": {"LOG_LEVEL": "debug", "WORKERS": "2", "TRACE": "true", "RATE": "1.10"},
                "secrets": ({"config": "apiToken"}, {"config": "database.password"}),
                "ports": {"http": 9000},
                "service": {"type": "NodePort"},
                "startupTimeoutSeconds": 600,
                "requestTimeoutSeconds": 5,
                "spread": {"zone": "required"},
                "disruptionBudget": {"minAvailable": "50%"},
                "priorityClass": "online",
            },
            "promoted": {
                "image": f"registry.example.com:5000/acme/models/digits:staging@{DIGEST}",
                # What follows from other keys is no default to pydantic.
                "startupTimeoutSeconds": 120,
            },
        },
    }
    assert set(secrets) == {"apiToken", "database.password"}


GATEWAY = {"name": "shared", "namespace": "gateways", "listener": "https", "proxyNamespace": "proxies"}
PEERS = [{"namespace": "web"}, {"namespace": "web", "pods": {"app": "shop"}}, {"pods": {"job": "batch"}}]


@pytest.mark.parametrize(
    ("section", "value"),
    [
        ("service", {"type": "LoadBalancer", "internal": True, "sourceRanges": ("10.0.0.0/8", "2001:db8::/32")}),
        ("service", {"annotations": {"example.com/zone": "a"}}),
        ("service", {"name": "digits-api", "port": 8080, "portName": "web", "adopt": True}),
        ("service", {"portName": ""}),
        ("renamedFrom", "numbers"),
        ("ingress", {"host": "digits.example.com", "class": "nginx", "controllerNamespace": "ingress-nginx"}),
        ("ingress", {"host": "d.example.com", "controllerNamespace": "i", "tls": {"clusterIssuer": "letsencrypt"}}),
        ("route", {"host": "digits.example.com", "gateway": GATEWAY}),
        (
            "network",
            {"allowFrom": (*PEERS, {"cidr": "10.1.0.0/16"}), "allowTo": ({"host": "db.data.svc", "port": 5432},)},
        ),
        ("network", {"allowTo": ({"host": "10.0.0.7", "port": 1}, {"host": "2001:db8::7", "port": 65535})}),
    ],
)
def test_how_a_model_is_reached(load: Load, section: str, value: dict[str, Any]) -> None:
    config = load(SMALLEST | {"models": {"digits": {"image": f"r.example.com/m@{DIGEST}", section: value}}}).config
    model = config.models["digits"].model_dump(by_alias=True, exclude_defaults=True)
    assert model[section] == value


def test_a_canary_gets_its_share_of_a_route(load: Load) -> None:
    route = {"host": "digits.example.com", "gateway": {"name": "shared", "namespace": "gateways"}}
    canary = {"image": f"r.example.com/m@{DIGEST}", "weight": 0, "replicas": 2}
    model = {"image": f"r.example.com/m@{DIGEST}", "route": route, "canary": canary}
    config = load(SMALLEST | {"models": {"digits": model}}).config.models["digits"]
    assert config.canary is not None
    assert config.canary.model_dump() == canary


def test_a_gateway_may_be_a_default_and_each_model_has_its_host(load: Load) -> None:
    gateway = {"name": "shared", "namespace": "gateways"}
    models = {name: {"image": f"r.example.com/m@{DIGEST}", "route": {"host": f"{name}.example.com"}} for name in "ab"}
    config = load(SMALLEST | {"models": models, "modelDefaults": {"route": {"gateway": gateway}}}).config
    assert [model.route.host for model in config.models.values() if model.route] == ["a.example.com", "b.example.com"]


def test_policies_are_switched_off_as_pulumi_config_set_writes_it(load: Load) -> None:
    assert load(SMALLEST | {"network": {"defaultDeny": False}}).config.network.default_deny is False


def test_a_number_of_replicas_is_a_range_of_one(load: Load) -> None:
    replicas = load(SMALLEST | {"models": {"digits": {"image": f"r.example.com/m@{DIGEST}", "replicas": 4}}}).config
    counted = replicas.models["digits"].replicas
    assert (counted.min, counted.max, counted.scaled) == (4, 4, False)


@pytest.mark.parametrize("budget", [{"maxUnavailable": 1}, {"maxUnavailable": "25%"}, {"minAvailable": "1"}])
def test_a_budget_in_pods_or_as_a_share(load: Load, budget: dict[str, Any]) -> None:
    model = {"image": f"r.example.com/m@{DIGEST}", "replicas": 2, "disruptionBudget": budget}
    [(name, value)] = budget.items()
    config = load(SMALLEST | {"models": {"digits": model}}).config.models["digits"].disruption_budget
    assert config is not None
    assert config.model_dump(by_alias=True, exclude_none=True) == {name: str(value)}


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({}, 120),
        ({"runtime": "tensorflow"}, 300),
        ({"accelerator": "cuda"}, 600),
        ({"runtime": "tensorflow", "startupTimeoutSeconds": 60}, 60),
    ],
)
def test_a_larger_image_has_longer_to_start(load: Load, fields: dict[str, Any], seconds: int) -> None:
    built = SMALLEST["models"]["digits"] | fields
    promoted = {"image": f"registry.example.com/digits@{DIGEST}"} | fields
    models = load(SMALLEST | {"models": {"built": built, "promoted": promoted}}).config.models
    assert [model.startup_timeout_seconds for model in models.values()] == [seconds, seconds]


@pytest.mark.parametrize(
    "artifact",
    [
        "model/empty",
        f"s3://acme-models/churn/7/@{DIGEST}",
        f"s3://acme-models/churn/a@b/model.onnx@{DIGEST}",
        f"gs://acme_models/churn/7/@{DIGEST}",
        f"oci://registry.example.com:5000/acme/churn@{DIGEST}",
        f"hf://acme/churn-v2@{'0123456789' * 4}",
        f"mlflow://models/acme.churn/7@{DIGEST}",
        f"mlflow://runs/{'0123456789abcdef' * 2}/model@{DIGEST}",
    ],
)
def test_a_finished_model_and_where_it_lies(load: Load, artifact: str) -> None:
    source = {"framework": "onnx", "path": "model/iris", "artifact": artifact}
    config = load(SMALLEST | {"models": {"iris": {"source": source}}}).config
    assert config.models["iris"].source is not None
    assert config.models["iris"].source.artifact == artifact


def test_weights_as_int8_for_so_much_of_the_quality(load: Load) -> None:
    source = SMALLEST["models"]["digits"]["source"] | {"quantization": {"type": "int8", "maxLoss": 0.005}}
    config = load(SMALLEST | {"models": {"digits": {"source": source}}}).config
    assert config.models["digits"].source is not None
    assert config.models["digits"].source.quantization is not None
    assert config.models["digits"].source.quantization.max_loss == 0.005


@pytest.mark.parametrize(
    ("given", "surge", "unavailable"),
    [
        ({}, 1, 0),
        ({"maxSurge": 0}, 0, 1),
        ({"maxSurge": 2, "maxUnavailable": 1}, 2, 1),
        ({"maxSurge": 0, "maxUnavailable": 3}, 0, 3),
    ],
)
def test_a_rollout_without_a_surge_lets_one_replica_be_missing(
    load: Load, given: dict[str, Any], surge: int, unavailable: int
) -> None:
    digits = SMALLEST["models"]["digits"] | {"rollout": given}
    rollout = load(SMALLEST | {"models": {"digits": digits}}).config.models["digits"].rollout
    assert (rollout.max_surge, rollout.unavailable) == (surge, unavailable)


# The second is what Pulumi 3.259 makes of a day that YAML has read as one.
@pytest.mark.parametrize("day", ["2026-11-01", "2026-11-01 00:00:00 +0000 UTC"])
def test_prices_are_of_a_day_and_whole_numbers_are_prices(load: Load, day: str) -> None:
    prices = load(SMALLEST | {"prices": {"currency": "EUR", "date": day, "perHour": {"l4": 1}}}).config.prices
    assert prices is not None
    assert (prices.date, prices.per_hour) == ("2026-11-01", {"l4": 1.0})


def test_a_promoted_image_needs_no_registry_and_no_source(load: Load) -> None:
    config = load(
        {"cluster": "prod", "namespace": "models", "models": {"digits": {"image": f"r.example.com/m@{DIGEST}"}}}
    ).config
    assert config.registry is None
    assert config.models["digits"].source is None


def test_models_that_are_built_elsewhere_need_no_private_key(load: Load) -> None:
    public_key = TypeAdapter(PublicKey).json_schema()["examples"][0]
    promoted = {"digits": {"image": f"r.example.com/m@{DIGEST}"}}
    loaded = load(SMALLEST | {"models": promoted, "signing": {"publicKey": public_key}})
    assert loaded.secrets == {}
    built = load(
        SMALLEST | {"signing": {"publicKey": public_key, "privateKey": "signingKey"}}, secrets={"signingKey": "hidden"}
    )
    assert set(built.secrets) == {"signingKey"}
    assert "hidden" not in repr(built.config)


def test_the_namespace_of_the_keys_is_the_same_under_another_project_name(load: Load) -> None:
    assert load(SMALLEST, project="acme-vision").config == load(SMALLEST).config


def test_secret_values_stay_out_of_the_configuration(load: Load) -> None:
    models = {"digits": SMALLEST["models"]["digits"] | {"secrets": ["apiToken"]}}
    loaded: LoadedConfig = load(SMALLEST | {"models": models}, secrets={"apiToken": "canary-1234"})
    assert "canary-1234" not in repr(loaded) + loaded.config.model_dump_json()
    assert set(loaded.secrets) == {"apiToken"}


def test_a_configuration_cannot_be_changed(load: Load) -> None:
    with pytest.raises(ValidationError):
        load(SMALLEST).config.namespace = "other"


@pytest.mark.parametrize(
    ("given", "filled"),
    [
        ({}, {"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"memory": "512Mi"}}),
        (
            {"requests": {"memory": "300Mi"}},
            {"requests": {"cpu": "250m", "memory": "300Mi"}, "limits": {"memory": "600Mi"}},
        ),
        (
            {"requests": {"memory": "1G"}},
            {"requests": {"cpu": "250m", "memory": "1G"}, "limits": {"memory": "1908Mi"}},
        ),
        (
            {"limits": {"memory": "1Gi", "cpu": "100m"}},
            {"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"cpu": "100m", "memory": "1Gi"}},
        ),
        (
            {"requests": {"cpu": 2, "memory": "1Gi"}, "limits": {"cpu": 4, "memory": "2Gi"}},
            {"requests": {"cpu": "2", "memory": "1Gi"}, "limits": {"cpu": "4", "memory": "2Gi"}},
        ),
    ],
)
def test_requests_and_a_memory_limit_are_always_set(given: dict[str, Any], filled: dict[str, Any]) -> None:
    resources = ResourcesConfig.model_validate(given).filled()
    assert resources.model_dump(exclude_none=True) == filled
    ResourcesConfig.model_validate(filled)  # a limit below its request would be refused here
