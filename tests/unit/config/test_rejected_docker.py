"""What a stack file may not say of containers beside the models."""

from collections.abc import Callable
from typing import Any

import pytest

Mistakes = Callable[..., list[str]]

IMAGE = "registry.example.com/m@sha256:" + "a" * 64
RIGHT: dict[str, Any] = {
    "host": "features",
    "name": "features",
    "user": "reader",
    "password": "dbPassword",
    "tls": {"mode": "disable"},
}


def stack(own: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    models = {"digits": {"image": IMAGE, **({"database": own} if own else {})}}
    return {"cluster": "local", "models": models, "docker": {"database": {"image": IMAGE}}, **more}


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "a database that nobody asks": (
        stack(None),
        "model-serving:docker.database: would do nothing: neither the stack nor a model has a database "
        "-> pulumi config rm --path 'model-serving:docker.database' --stack dev",
    ),
    "another kind of database": (
        stack({"type": "tcp", "host": "features", "port": 5432, "password": "dbPassword", "tls": {"mode": "disable"}}),
        "model-serving:models.digits.database.type: is not what docker.database runs; allowed with it: postgresql "
        "-> pulumi config set --path 'model-serving:models.digits.database.type' postgresql --stack dev",
    ),
    "a database with TLS": (
        stack(RIGHT | {"tls": {"mode": "require"}}),
        "model-serving:models.digits.database.tls.mode: must be disable with docker.database, which is reached in the "
        "containers' own network "
        "-> pulumi config set --path 'model-serving:models.digits.database.tls.mode' disable --stack dev",
    ),
    "a database without a password": (
        stack({key: value for key, value in RIGHT.items() if key != "password"}),
        "model-serving:models.digits.database.password: is required and missing with docker.database, which lets "
        "nobody in without one "
        "-> pulumi config set --path 'model-serving:models.digits.database.password' databasePassword --stack dev",
    ),
    "a database at an address": (
        stack(RIGHT | {"host": "10.0.0.1"}),
        'model-serving:models.digits.database.host: "10.0.0.1" cannot be the name of docker.database; allowed: a host '
        "name that no model has -> pulumi config set --path 'model-serving:models.digits.database.host' database "
        "--stack dev",
    ),
    "a database named like a model": (
        stack(RIGHT | {"host": "digits"}),
        'model-serving:models.digits.database.host: "digits" cannot be the name of docker.database; allowed: a host '
        "name that no model has -> pulumi config set --path 'model-serving:models.digits.database.host' database "
        "--stack dev",
    ),
    "two databases at one host": (
        stack(RIGHT, database=RIGHT | {"name": "others"}),
        "model-serving:models.digits.database: docker.database has one database at features, and another one is asked "
        "for there -> let port, name, user and password be the same, or name another host",
    ),
    "a model at Prometheus' host": (
        {
            "cluster": "local",
            "models": {"prometheus": {"image": IMAGE}},
            "docker": {"prometheus": {"image": IMAGE}},
        },
        "model-serving:models.prometheus: is the host of docker.prometheus; allowed: any other name -> give the model "
        "another name, or pulumi config rm --path 'model-serving:docker.prometheus' --stack dev",
    ),
    "a database at Prometheus' host": (
        {**stack(RIGHT | {"host": "prometheus"}), "docker": {"prometheus": {"image": IMAGE}}},
        'model-serving:models.digits.database.host: "prometheus" is the host of docker.prometheus; allowed: another '
        "host name -> pulumi config set --path 'model-serving:models.digits.database.host' database --stack dev",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_rejected(name: str, mistakes: Mistakes) -> None:
    config, line = CASES[name]
    uses_secret = "dbPassword" in str(config)
    assert mistakes(config, secrets={"dbPassword": "hunter2"} if uses_secret else {}) == [line]


def alone(model: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"cluster": "docker", "models": {"digits": {"image": IMAGE} | model}, **more}


PORT = "each container has a port of 127.0.0.1"
NODE = "there is one node, this machine"
GATEWAY = {"name": "shared", "namespace": "gateways"}
WITHOUT_CLUSTER: dict[str, tuple[dict[str, Any], str, str]] = {
    "namespace": (alone({}, namespace="models"), "namespace", "containers are in a network of their own"),
    "pools": (
        alone({}, nodePools={"l4": {"provider": "existing", "nodeSelector": {"a": "b"}}}),
        "nodePools",
        NODE,
    ),
    "policies": (alone({}, network={"defaultDeny": False}), "network", "Docker has no network policies"),
    "monitoring": (
        alone({}, monitoring={"mode": "existing"}),
        "monitoring",
        "docker.prometheus reads the metrics of containers",
    ),
    "protection": (
        alone({}, protect=True),
        "protect",
        "containers are replaced, and so deleted, at every change",
    ),
    "pull secret": (
        alone({}, registry={"repository": "r.example.com/m", "pullSecret": "login"}),
        "registry.pullSecret",
        "images are pulled with this machine's own login",
    ),
    "a Service": (alone({"service": {"type": "NodePort"}}), "models.digits.service", PORT),
    "an Ingress": (
        alone({"ingress": {"host": "d.example.com", "controllerNamespace": "x"}}),
        "models.digits.ingress",
        PORT,
    ),
    "a route": (alone({"route": {"host": "d.example.com", "gateway": GATEWAY}}), "models.digits.route", PORT),
    "spread": (alone({"spread": {"zone": "required"}}), "models.digits.spread", NODE),
    "a budget": (
        alone({"replicas": 2, "disruptionBudget": {"maxUnavailable": 1}}),
        "models.digits.disruptionBudget",
        "there are no nodes to drain",
    ),
    "a priority": (alone({"priorityClass": "online"}), "models.digits.priorityClass", "there is no scheduler"),
    "a rollout": (alone({"rollout": {"maxSurge": 2}}), "models.digits.rollout", "a container is replaced at once"),
    "an identity": (
        alone({"identity": {"gke": "models@acme.iam.gserviceaccount.com"}}),
        "models.digits.identity",
        "a container has no account of a cloud",
    ),
    "a claim": (
        alone({"runtime": "triton", "files": {"claim": "weights"}}),
        "models.digits.files.claim",
        "it is a cluster's volume; allowed: image",
    ),
    "an autoscaler": (
        alone({"replicas": {"min": 1, "max": 2}}),
        "models.digits.replicas",
        "nothing scales by load; allowed: a number",
    ),
    "a Secret": (
        alone({"secrets": [{"secretRef": {"name": "login", "key": "token"}}]}),
        "models.digits.secrets[0].secretRef",
        "its value is in a cluster; allowed: config",
    ),
}


@pytest.mark.parametrize("name", WITHOUT_CLUSTER)
def test_what_needs_kubernetes_is_refused_where_there_is_none(name: str, mistakes: Mistakes) -> None:
    config, path, why = WITHOUT_CLUSTER[name]
    quoted = f"model-serving:{path}" if "." not in path else f"--path 'model-serving:{path}'"
    assert mistakes(config) == [
        f"model-serving:{path}: needs Kubernetes, and the stack's cluster is docker: {why} "
        f"-> pulumi config rm {quoted} --stack dev"
    ]
