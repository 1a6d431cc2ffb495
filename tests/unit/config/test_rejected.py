"""What a stack file may not say, and the line that says so: where, what, what is allowed, and how to repair it."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from components.config.types import PublicKey

from .test_accepted import SMALLEST

DIGEST = "sha256:" + "0123456789abcdef" * 4
Mistakes = Callable[..., list[str]]

MODEL_KEYS = (
    "source, image, runtime, accelerator, files, container, replicas, resources, env, secrets, ports, service, "
    "startupTimeoutSeconds, requestTimeoutSeconds, spread, disruptionBudget, priorityClass, rollout, nodePool, gpus, "
    "ingress, route, canary, network, configFiles, database, identity, slo, renamedFrom"
)
SECTIONS = (
    "cluster, namespace, createNamespace, models, registry, image, imageSigning, signing, modelDefaults, protect, "
    "prices, nodePools, network, gpuSupport, charts, env, secrets, database, proxy, caBundle, capacityCheck, "
    "monitoring, alerts, docker, logs"
)
CLUSTER = (
    '"local" (the current context of your kubeconfig), "docker" (none: containers of this machine), the name of a '
    "kubeconfig context, or a section with kubeconfig (the key of a secret) or from (another stack's output)"
)
SECRET = (
    'the key of a secret (1 to 63 letters, digits, "-", "_" and ".", starting with a letter), or a section with one of '
    "config, secretRef, external, and file or env"
)
DIGITS = SMALLEST["models"]["digits"]
ROUTE = {"host": "digits.example.com", "gateway": {"name": "shared", "namespace": "gateways"}}
REPLICAS = "a whole number from 1 to 1000, or a section with min and max for an autoscaler"
REPLICAS_KEYS = "min, max, targetCPUUtilization, targetInFlight, targetQueueTime, behavior, keda"
MEMORY = "bytes above zero as Kubernetes writes them: 512Mi, 1Gi, 1G (units k M G T P or Ki Mi Gi Ti Pi)"
CPU = "cores above zero as Kubernetes writes them: 250m (a quarter), 0.5, 2"
BY_DIGEST = "repository@sha256:<64 hex digits>; a tag alone can change under a running service"
EXAMPLE_IMAGE = f"registry.example.com/team/models/digits@{DIGEST}"
PRICES = {"currency": "USD", "date": "2026-11-01", "perHour": {"g2-standard-4": 0.81}}
PUBLIC_KEY = TypeAdapter(PublicKey).json_schema()["examples"][0]
HEX = "@sha256:<64 hex digits>"
ARTIFACT = (
    f"a folder of this project, s3:// or gs://bucket/key{HEX}, oci://registry/repository{HEX}, "
    f"mlflow://models/name/version{HEX}, mlflow://runs/id/path{HEX} or hf://owner/name@<40 hex digits of a commit>"
)
FOLDER = 'a path below the project\'s folder with "/" between its parts'


def changed(path: str, value: Any) -> dict[str, Any]:
    """The smallest configuration with the value at a dotted path replaced, or taken out if it is `...`."""
    config = copy.deepcopy(SMALLEST)
    *parents, last = path.split(".")
    section = config
    for parent in parents:
        section = section.setdefault(parent, {})
    if value is ...:
        del section[last]
    else:
        section[last] = value
    return config


# Where (below `model-serving:`), what is written there, and the whole line that answers it.
CASES: dict[str, tuple[str, Any, str]] = {
    "a section that does not exist": (
        "namespaces", "typo",
        'model-serving:namespaces: unknown key, did you mean "namespace"? '
        f"allowed: {SECTIONS} "
        "-> pulumi config rm model-serving:namespaces --stack dev",
    ),
    "a section like nothing": (
        "xyz", {"a": 1},
        f"model-serving:xyz: unknown key; allowed: {SECTIONS} "
        "-> pulumi config rm model-serving:xyz --stack dev",
    ),
    "a misspelt key": (
        "models.digits.replica", 2,
        f'model-serving:models.digits.replica: unknown key, did you mean "replicas"? allowed: {MODEL_KEYS} '
        "-> pulumi config rm --path 'model-serving:models.digits.replica' --stack dev",
    ),
    "snake_case": (
        "models.digits.startup_timeout_seconds", 5,
        "model-serving:models.digits.startup_timeout_seconds: unknown key, "
        f'did you mean "startupTimeoutSeconds"? allowed: {MODEL_KEYS} '
        "-> pulumi config rm --path 'model-serving:models.digits.startup_timeout_seconds' --stack dev",
    ),
    "a shortened key": (
        "registry.repo", "x",
        'model-serving:registry.repo: unknown key, did you mean "repository"? allowed: repository, pullSecret '
        "-> pulumi config rm --path 'model-serving:registry.repo' --stack dev",
    ),
    "a resource that is not counted": (
        "models.digits.resources.limits.disk", "1Gi",
        "model-serving:models.digits.resources.limits.disk: unknown key; allowed: cpu, memory "
        "-> pulumi config rm --path 'model-serving:models.digits.resources.limits.disk' --stack dev",
    ),
    "no cluster": (
        "cluster", ...,
        f"model-serving:cluster: is required and missing; allowed: {CLUSTER} "
        "-> pulumi config set model-serving:cluster local --stack dev",
    ),
    "no models": (
        "models", ...,
        "model-serving:models: is required and missing; allowed: a map of models by name "
        "-> pulumi config set --path 'model-serving:models.digits.source.framework' keras --stack dev",
    ),
    "an empty map of models": (
        "models", {},
        "model-serving:models: is empty; allowed: a map of models by name "
        "-> pulumi config set --path 'model-serving:models.digits.source.framework' keras --stack dev",
    ),
    "models as a list": (
        "models", ["digits"],
        "model-serving:models: a list is not a section; keys allowed in it: names that you choose "
        "-> pulumi config set --path 'model-serving:models.digits.source.framework' keras --stack dev",
    ),
    "models as text": (
        "models", "digits",
        'model-serving:models: "digits" is not a section; keys allowed in it: names that you choose '
        "-> pulumi config set --path 'model-serving:models.digits.source.framework' keras --stack dev",
    ),
    "a registry to push to is missing": (
        "registry", ...,
        "model-serving:registry.repository: is required and missing; the registry to push digits to, built from source "
        "-> pulumi config set --path 'model-serving:registry.repository' registry.example.com/team/models --stack dev",
    ),
    "a registry without a repository": (
        "registry", {},
        "model-serving:registry.repository: is required and missing; allowed: registry and path in lower case, "
        "without scheme, tag or digest "
        "-> pulumi config set --path 'model-serving:registry.repository' registry.example.com/team/models --stack dev",
    ),
    "a registry with a scheme": (
        "registry.repository", "https://registry.example.com/models",
        'model-serving:registry.repository: "https://registry.example.com/models" is not an image repository; '
        "allowed: registry and path in lower case, without scheme, tag or digest "
        "-> pulumi config set --path 'model-serving:registry.repository' registry.example.com/team/models --stack dev",
    ),
    "a namespace in upper case": (
        "namespace", "Models",
        'model-serving:namespace: "Models" is not a Kubernetes namespace; allowed: 1 to 63 lower-case letters, digits '
        'and "-", with a letter or digit at both ends '
        "-> pulumi config set model-serving:namespace models --stack dev",
    ),
    "a cluster with a space": (
        "cluster", "my cluster",
        f'model-serving:cluster: "my cluster" is not a cluster name; allowed: {CLUSTER} '
        "-> pulumi config set model-serving:cluster local --stack dev",
    ),
    "a cluster that is a list": (
        "cluster", ["local"],
        f"model-serving:cluster: a list is not a cluster name; allowed: {CLUSTER} "
        "-> pulumi config set model-serving:cluster local --stack dev",
    ),
    "models that are built and not signed": (
        "signing", {"publicKey": PUBLIC_KEY},
        "model-serving:signing.privateKey: is required and missing; the key of the secret to sign digits with "
        "-> pulumi config set --path 'model-serving:signing.privateKey' signingKey --stack dev",
    ),
    "a platform that is not built": (
        "image", {"platforms": ["linux/x86"]},
        'model-serving:image.platforms[0]: "linux/x86" is not one of the choices; allowed: linux/amd64, linux/arm64 '
        "-> pulumi config set --path 'model-serving:image.platforms[0]' linux/amd64 --stack dev",
    ),
    "platforms that are no list": (
        "image", {"platforms": "linux/amd64"},
        'model-serving:image.platforms: "linux/amd64" is not a list; allowed: a list, each one of linux/amd64, '
        "linux/arm64 "
        "-> pulumi config set --path 'model-serving:image.platforms[0]' linux/amd64 --stack dev",
    ),
    "a pull secret that is no name": (
        "registry.pullSecret", "my_secret",
        'model-serving:registry.pullSecret: "my_secret" is not a Kubernetes object name; allowed: 1 to 253 lower-case '
        'letters, digits, "-" and ".", with a letter or digit at both ends, or a section with config, the key of a '
        "secret to make one of "
        "-> pulumi config set --path 'model-serving:registry.pullSecret' registry-login --stack dev",
    ),
    "a default that is wrong": (
        "modelDefaults", {"replicas": 0},
        f"model-serving:modelDefaults.replicas: 0 is not a number of replicas; allowed: {REPLICAS} "
        "-> write modelDefaults.replicas: 2 where it stands, in Pulumi.yaml or the stack file",
    ),
    "a default that no model has": (
        "modelDefaults", {"replica": 1},
        f'model-serving:modelDefaults.replica: unknown key, did you mean "replicas"? allowed: {MODEL_KEYS} '
        "-> take modelDefaults.replica out of Pulumi.yaml or the stack file",
    ),
    "an image for every model": (
        "modelDefaults", {"source": {"framework": "keras", "path": "model/iris"}},
        "model-serving:modelDefaults.source: cannot be a default: every model has its own; "
        "allowed: all other keys of a model -> take modelDefaults.source out of Pulumi.yaml or the stack file",
    ),
    "defaults that are no section": (
        "modelDefaults", ["replicas"],
        f"model-serving:modelDefaults: a list is not a section; keys allowed in it: {MODEL_KEYS} "
        "-> write modelDefaults.source.framework: keras where it stands, in Pulumi.yaml or the stack file",
    ),
    "a protection that is neither on nor off": (
        "protect", "prod",
        'model-serving:protect: "prod" is not a switch; allowed: true or false '
        "-> pulumi config set model-serving:protect true --stack dev",
    ),
    "neither source nor image": (
        "models.digits", {"replicas": 2},
        "model-serving:models.digits: neither source (build it here) nor image (deploy repository@sha256:...) is "
        "given; a model has exactly one "
        "-> pulumi config set --path 'model-serving:models.digits.source.framework' keras --stack dev",
    ),
    "both source and image": (
        "models.digits.image", EXAMPLE_IMAGE,
        "model-serving:models.digits.image: both source and image are given; a model has exactly one "
        "-> pulumi config rm --path 'model-serving:models.digits.image' --stack dev",
    ),
    "a model without anything": (
        "models.digits", None,
        f"model-serving:models.digits: null is not a section; keys allowed in it: {MODEL_KEYS} "
        "-> pulumi config set --path 'model-serving:models.digits.source.framework' keras --stack dev",
    ),
    "an image by tag": (
        "models.digits", {"image": "registry.example.com/models/digits:latest"},
        'model-serving:models.digits.image: "registry.example.com/models/digits:latest" is not an image by digest; '
        f"allowed: {BY_DIGEST} "
        f"-> pulumi config set --path 'model-serving:models.digits.image' {EXAMPLE_IMAGE} --stack dev",
    ),
    "an image with a short digest": (
        "models.digits", {"image": "r.example.com/m@sha256:0123"},
        'model-serving:models.digits.image: "r.example.com/m@sha256:0123" is not an image by digest; '
        f"allowed: {BY_DIGEST} "
        f"-> pulumi config set --path 'model-serving:models.digits.image' {EXAMPLE_IMAGE} --stack dev",
    ),
    "a framework that is not built here": (
        "models.digits.source.framework", "kears",
        'model-serving:models.digits.source.framework: "kears" is not one of the choices; '
        "allowed: keras, tensorflow, pytorch, sklearn, onnx "
        "-> pulumi config set --path 'model-serving:models.digits.source.framework' keras --stack dev",
    ),
    "a finished model that can change under its name": (
        "models.digits.source.artifact", "s3://models/churn/latest/",
        'model-serving:models.digits.source.artifact: "s3://models/churn/latest/" is not a finished model; '
        f"allowed: {ARTIFACT} -> pulumi config set --path 'model-serving:models.digits.source.artifact' "
        f"s3://models/churn/7/@{DIGEST} --stack dev",
    ),
    "a precision that is not known": (
        "models.digits.source.quantization", {"type": "int4", "maxLoss": 0.01},
        'model-serving:models.digits.source.quantization.type: "int4" is not one of the choices; allowed: int8 '
        "-> pulumi config set --path 'model-serving:models.digits.source.quantization.type' int8 --stack dev",
    ),
    "a loss in per cent": (
        "models.digits.source.quantization", {"type": "int8", "maxLoss": 1},
        "model-serving:models.digits.source.quantization.maxLoss: 1 is not a loss of quality; allowed: a number from 0 "
        "to below 1: what int8 weights may cost of the held-out accuracy or R2 "
        "-> pulumi config set --path 'model-serving:models.digits.source.quantization.maxLoss' 0.01 --stack dev",
    ),
    "an unbounded loss": (
        "models.digits.source.quantization", {"type": "int8"},
        "model-serving:models.digits.source.quantization.maxLoss: is required and missing; allowed: a number from 0 "
        "to below 1: what int8 weights may cost of the held-out accuracy or R2 "
        "-> pulumi config set --path 'model-serving:models.digits.source.quantization.maxLoss' 0.01 --stack dev",
    ),
    "a finished model of a branch": (
        "models.digits.source.artifact", "hf://acme/digits@main",
        'model-serving:models.digits.source.artifact: "hf://acme/digits@main" is not a finished model; '
        f"allowed: {ARTIFACT} -> pulumi config set --path 'model-serving:models.digits.source.artifact' "
        f"s3://models/churn/7/@{DIGEST} --stack dev",
    ),
    "an alias of a registered model": (
        "models.digits.source.artifact", "mlflow://models/churn@champion",
        'model-serving:models.digits.source.artifact: "mlflow://models/churn@champion" is not a finished model; '
        f"allowed: {ARTIFACT} -> pulumi config set --path 'model-serving:models.digits.source.artifact' "
        f"s3://models/churn/7/@{DIGEST} --stack dev",
    ),
    "a version of a registered model, whose files can change": (
        "models.digits.source.artifact", "mlflow://models/churn/7",
        'model-serving:models.digits.source.artifact: "mlflow://models/churn/7" is not a finished model; '
        f"allowed: {ARTIFACT} -> pulumi config set --path 'model-serving:models.digits.source.artifact' "
        f"s3://models/churn/7/@{DIGEST} --stack dev",
    ),
    "a finished model in a store that is not known": (
        "models.digits.source.artifact", f"ftp://models/churn@{DIGEST}",
        "model-serving:models.digits.source.artifact: a long text is not a finished model; "
        f"allowed: {ARTIFACT} -> pulumi config set --path 'model-serving:models.digits.source.artifact' "
        f"s3://models/churn/7/@{DIGEST} --stack dev",
    ),
    "a finished model in a folder that does not exist": (
        "models.digits.source.artifact", "model/none",
        "model-serving:models.digits.source.artifact: folder model/none does not exist; "
        "it must hold the finished model "
        "-> pulumi config set --path 'model-serving:models.digits.source.artifact' "
        f"s3://models/churn/7/@{DIGEST} --stack dev",
    ),
    "a source without a path": (
        "models.digits.source.path", ...,
        f"model-serving:models.digits.source.path: is required and missing; allowed: {FOLDER} "
        "-> pulumi config set --path 'model-serving:models.digits.source.path' model/digits --stack dev",
    ),
    "a path of one machine": (
        "models.digits.source.path", "/home/ann/digits",
        'model-serving:models.digits.source.path: "/home/ann/digits" is not a folder of this project; '
        f"allowed: {FOLDER} "
        "-> pulumi config set --path 'model-serving:models.digits.source.path' model/digits --stack dev",
    ),
    "a path out of the project": (
        "models.digits.source.path", "model/../../digits",
        'model-serving:models.digits.source.path: "model/../../digits" is not a folder of this project; '
        f"allowed: {FOLDER} "
        "-> pulumi config set --path 'model-serving:models.digits.source.path' model/digits --stack dev",
    ),
    "a folder that does not exist": (
        "models.digits.source.path", "model/none",
        "model-serving:models.digits.source.path: folder model/none does not exist; it must hold the model's training "
        "code with train.py in it "
        "-> pulumi config set --path 'model-serving:models.digits.source.path' model/digits --stack dev",
    ),
    "a folder without training code": (
        "models.digits.source.path", "model/empty",
        "model-serving:models.digits.source.path: folder model/empty has no train.py; it must hold the model's "
        "training code with train.py in it "
        "-> pulumi config set --path 'model-serving:models.digits.source.path' model/digits --stack dev",
    ),
    "replicas as text": (
        "models.digits.replicas", "3",
        f'model-serving:models.digits.replicas: "3" is not a number of replicas; allowed: {REPLICAS} '
        "-> pulumi config set --path 'model-serving:models.digits.replicas' 2 --stack dev",
    ),
    "no replicas": (
        "models.digits.replicas", 0,
        f'model-serving:models.digits.replicas: 0 is not a number of replicas; allowed: {REPLICAS} '
        "-> pulumi config set --path 'model-serving:models.digits.replicas' 2 --stack dev",
    ),
    "half a replica": (
        "models.digits.replicas", 1.5,
        f'model-serving:models.digits.replicas: 1.5 is not a number of replicas; allowed: {REPLICAS} '
        "-> pulumi config set --path 'model-serving:models.digits.replicas' 2 --stack dev",
    ),
    "replicas as a truth": (
        "models.digits.replicas", True,
        f'model-serving:models.digits.replicas: true is not a number of replicas; allowed: {REPLICAS} '
        "-> pulumi config set --path 'model-serving:models.digits.replicas' 2 --stack dev",
    ),
    "a range without an end": (
        "models.digits.replicas", {"min": 2},
        "model-serving:models.digits.replicas.max: is required and missing; allowed: a whole number from 1 to 1000 "
        "-> pulumi config set --path 'model-serving:models.digits.replicas.max' 2 --stack dev",
    ),
    "a range with an unknown key": (
        "models.digits.replicas", {"min": 2, "max": 3, "target": 70},
        f'model-serving:models.digits.replicas.target: unknown key, did you mean "targetInFlight"? '
        f"allowed: {REPLICAS_KEYS} "
        "-> pulumi config rm --path 'model-serving:models.digits.replicas.target' --stack dev",
    ),
    "a range upside down": (
        "models.digits.replicas", {"min": 3, "max": 2},
        "model-serving:models.digits.replicas: min (3) is above max (2) -> lower min or raise max",
    ),
    "scaling to nothing": (
        "models.digits.replicas", {"min": 0, "max": 3},
        "model-serving:models.digits.replicas.min: 0 is not possible: pods are added by what pods themselves "
        "measure, and where none runs nothing is measured, so nothing would start the first one again; allowed with "
        "keda.wake, a query that sees load without pods; else keep one (with smaller resources.requests) "
        "-> pulumi config set --path 'model-serving:models.digits.replicas.min' 1 --stack dev",
    ),
    "less than no replicas": (
        "models.digits.replicas", {"min": -1, "max": 3},
        "model-serving:models.digits.replicas.min: -1 is not a number of replicas; allowed: a whole number from 1 to "
        "1000 -> pulumi config set --path 'model-serving:models.digits.replicas.min' 1 --stack dev",
    ),
    "an autoscaler's setting without an autoscaler": (
        "models.digits.replicas", {"min": 2, "max": 2, "targetCPUUtilization": 50},
        "model-serving:models.digits.replicas: min and max are both 2, so there is no autoscaler, and its settings "
        "would do nothing -> raise max, or take out what is beside min and max",
    ),
    "a use of CPU as a fraction": (
        "models.digits.replicas", {"max": 2, "targetCPUUtilization": 0.7},
        "model-serving:models.digits.replicas.targetCPUUtilization: 0.7 is not a percentage; allowed: a whole number "
        "from 1 to 100 "
        "-> pulumi config set --path 'model-serving:models.digits.replicas.targetCPUUtilization' 70 --stack dev",
    ),
    "a rule of scaling without a policy": (
        "models.digits.replicas", {"max": 2, "behavior": {"scaleUp": {"stabilizationWindowSeconds": 0}}},
        "model-serving:models.digits.replicas.behavior.scaleUp.policies: is required and missing; allowed: a list of "
        "sections with type, value and periodSeconds "
        "-> pulumi config set --path 'model-serving:models.digits.replicas.behavior.scaleUp.policies[0].type' Pods "
        "--stack dev",
    ),
    "a rule of scaling with an empty list": (
        "models.digits.replicas",
        {"max": 2, "behavior": {"scaleUp": {"stabilizationWindowSeconds": 0, "policies": []}}},
        "model-serving:models.digits.replicas.behavior.scaleUp.policies: is empty; allowed: a list of "
        "sections with type, value and periodSeconds "
        "-> pulumi config set --path 'model-serving:models.digits.replicas.behavior.scaleUp.policies[0].type' Pods "
        "--stack dev",
    ),
    "a policy of scaling that does not exist": (
        "models.digits.replicas",
        {
            "max": 2,
            "behavior": {
                "scaleDown": {
                    "stabilizationWindowSeconds": 60,
                    "policies": [{"type": "Nodes", "value": 1, "periodSeconds": 60}],
                }
            },
        },
        'model-serving:models.digits.replicas.behavior.scaleDown.policies[0].type: "Nodes" is not one of the choices; '
        "allowed: Pods, Percent "
        "-> pulumi config set --path 'model-serving:models.digits.replicas.behavior.scaleDown.policies[0].type' Pods "
        "--stack dev",
    ),
    "a period of scaling that is too long": (
        "models.digits.replicas",
        {
            "max": 2,
            "behavior": {
                "scaleDown": {
                    "stabilizationWindowSeconds": 60,
                    "policies": [{"type": "Pods", "value": 1, "periodSeconds": 3600}],
                }
            },
        },
        "model-serving:models.digits.replicas.behavior.scaleDown.policies[0].periodSeconds: 3600 is not a number of "
        "seconds; allowed: a whole number of seconds from 1 to 1800 -> pulumi config set --path "
        "'model-serving:models.digits.replicas.behavior.scaleDown.policies[0].periodSeconds' 60 --stack dev",
    ),
    "a memory of scaling that is too long": (
        "models.digits.replicas",
        {
            "max": 2,
            "behavior": {
                "scaleUp": {
                    "stabilizationWindowSeconds": 7200,
                    "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
                }
            },
        },
        "model-serving:models.digits.replicas.behavior.scaleUp.stabilizationWindowSeconds: 7200 is not a number of "
        "seconds; allowed: a whole number of seconds from 0 to 3600 -> pulumi config set --path "
        "'model-serving:models.digits.replicas.behavior.scaleUp.stabilizationWindowSeconds' 300 --stack dev",
    ),
    "a spread that is neither demanded nor wished": (
        "models.digits.spread.zone", "always",
        'model-serving:models.digits.spread.zone: "always" is not one of the choices; allowed: required, preferred '
        "-> pulumi config set --path 'model-serving:models.digits.spread.zone' required --stack dev",
    ),
    "a budget that keeps nodes": (
        "models.digits", {**DIGITS, "replicas": 2, "disruptionBudget": {"minAvailable": 2}},
        "model-serving:models.digits.disruptionBudget: minAvailable 2 of 2 replicas lets no pod leave: its node could "
        "never be drained -> lower minAvailable, raise replicas (replicas.min), or use maxUnavailable: 1",
    ),
    "a budget that keeps nodes because a share is rounded up": (
        "models.digits.disruptionBudget.minAvailable", "50%",
        "model-serving:models.digits.disruptionBudget: minAvailable 50% of 1 replicas lets no pod leave: its node "
        "could never be drained -> lower minAvailable, raise replicas (replicas.min), or use maxUnavailable: 1",
    ),
    "two budgets": (
        "models.digits.disruptionBudget", {"minAvailable": 1, "maxUnavailable": 1},
        "model-serving:models.digits.disruptionBudget: minAvailable and maxUnavailable are given; a disruption budget "
        "has exactly one -> keep one of them",
    ),
    "an empty budget": (
        "models.digits.disruptionBudget", {},
        "model-serving:models.digits.disruptionBudget: is empty; a disruption budget has exactly one of minAvailable "
        "and maxUnavailable -> give one of them, or take disruptionBudget out: one pod may leave at a time",
    ),
    "a budget of nothing": (
        "models.digits.disruptionBudget.maxUnavailable", 0,
        "model-serving:models.digits.disruptionBudget.maxUnavailable: 0 is not a number of pods; allowed: a whole "
        'number from 1 to 1000, or a share of the pods from "1%" to "100%" '
        "-> pulumi config set --path 'model-serving:models.digits.disruptionBudget.maxUnavailable' 1 --stack dev",
    ),
    "a priority class that is a number": (
        "models.digits.priorityClass", 1000,
        "model-serving:models.digits.priorityClass: 1000 is not a Kubernetes object name; allowed: 1 to 253 lower-case "
        'letters, digits, "-" and ".", with a letter or digit at both ends '
        "-> pulumi config set --path 'model-serving:models.digits.priorityClass' online --stack dev",
    ),
    "memory in GB": (
        "models.digits.resources.limits.memory", "1GB",
        f'model-serving:models.digits.resources.limits.memory: "1GB" is not a quantity; allowed: {MEMORY} '
        "-> pulumi config set --path 'model-serving:models.digits.resources.limits.memory' 512Mi --stack dev",
    ),
    "memory in thousandths of a byte": (
        "models.digits.resources.requests.memory", "512m",
        f'model-serving:models.digits.resources.requests.memory: "512m" is not a quantity; allowed: {MEMORY} '
        "-> pulumi config set --path 'model-serving:models.digits.resources.requests.memory' 512Mi --stack dev",
    ),
    "memory without a unit": (
        "models.digits.resources.requests.memory", 512,
        f"model-serving:models.digits.resources.requests.memory: 512 is not a quantity; allowed: {MEMORY} "
        "-> pulumi config set --path 'model-serving:models.digits.resources.requests.memory' 512Mi --stack dev",
    ),
    "no memory": (
        "models.digits.resources.requests.memory", "0Mi",
        f'model-serving:models.digits.resources.requests.memory: "0Mi" is not a quantity; allowed: {MEMORY} '
        "-> pulumi config set --path 'model-serving:models.digits.resources.requests.memory' 512Mi --stack dev",
    ),
    "cores with a unit of bytes": (
        "models.digits.resources.requests.cpu", "2Gi",
        f'model-serving:models.digits.resources.requests.cpu: "2Gi" is not a CPU quantity; allowed: {CPU} '
        "-> pulumi config set --path 'model-serving:models.digits.resources.requests.cpu' 250m --stack dev",
    ),
    "less than no core": (
        "models.digits.resources.requests.cpu", -1,
        f"model-serving:models.digits.resources.requests.cpu: -1 is not a CPU quantity; allowed: {CPU} "
        "-> pulumi config set --path 'model-serving:models.digits.resources.requests.cpu' 250m --stack dev",
    ),
    "a request above its limit": (
        "models.digits.resources", {"requests": {"memory": "1Gi"}, "limits": {"memory": "1000Mi"}},
        "model-serving:models.digits.resources: requests.memory (1Gi) is above limits.memory (1000Mi) "
        "-> lower the request or raise the limit",
    ),
    "resources as text": (
        "models.digits.resources", "small",
        'model-serving:models.digits.resources: "small" is not a section; keys allowed in it: requests, limits '
        "-> pulumi config set --path 'model-serving:models.digits.resources.requests.cpu' 250m --stack dev",
    ),
    "a variable whose name is none": (
        "models.digits.env", {"LOG-LEVEL": "info"},
        'model-serving:models.digits.env.LOG-LEVEL: "LOG-LEVEL" is not possible as a name here; allowed: letters, '
        'digits and "_", not starting with a digit '
        "-> rename it, or pulumi config rm --path 'model-serving:models.digits.env.LOG-LEVEL' --stack dev",
    ),
    "a variable that YAML has rounded": (
        "models.digits.env", {"RATE": 1.1},
        "model-serving:models.digits.env.RATE: the value is not possible here; allowed: text, a whole number, true or "
        "false; put other numbers in quotes "
        "-> pulumi config set --path 'model-serving:models.digits.env.RATE' info --stack dev",
    ),
    "a variable of the program": (
        "models.digits.env", {"PORT": "9000", "MODEL_NAME": "x"},
        "model-serving:models.digits.env: MODEL_NAME, PORT cannot be set here: the program sets it "
        "-> pulumi config rm --path 'model-serving:models.digits.env.MODEL_NAME' --stack dev",
    ),
    "secrets that are no list": (
        "models.digits.secrets", "apiToken",
        "model-serving:models.digits.secrets: the value is not a list; allowed: a list, each a secret "
        "-> pulumi config set --path 'model-serving:models.digits.secrets[0]' apiToken --stack dev",
    ),
    "a secret without a value": (
        "models.digits.secrets", ["apiToken"],
        "model-serving:models.digits.secrets[0]: the secret apiToken has no value "
        "-> pulumi config set --secret model-serving:apiToken --stack dev",
    ),
    "a secret that is no key": (
        "models.digits.secrets", ["api token"],
        f"model-serving:models.digits.secrets[0]: the value is not a secret; allowed: {SECRET} "
        "-> pulumi config set --path 'model-serving:models.digits.secrets[0]' apiToken --stack dev",
    ),
    "a secret with a section's name": (
        "models.digits.secrets", ["registry"],
        "model-serving:models.digits.secrets[0]: registry is the name of a section; a secret needs another one "
        "-> rename it",
    ),
    "a privileged port": (
        "models.digits.ports", {"http": 80},
        "model-serving:models.digits.ports.http: 80 is not a port; allowed: a whole number from 1024 to 65535 "
        "-> pulumi config set --path 'model-serving:models.digits.ports.http' 8080 --stack dev",
    ),
    "a port that the server has not": (
        "models.digits.ports", {"metrics": 9000},
        "model-serving:models.digits.ports: the runtime onnx has no port metrics; allowed: http, grpc "
        "-> pulumi config rm --path 'model-serving:models.digits.ports' --stack dev",
    ),
    "one number for two ports": (
        "models.digits", {"image": EXAMPLE_IMAGE, "runtime": "triton", "files": {"claim": "m"},
                          "ports": {"http": 9000, "grpc": 9000}},
        "model-serving:models.digits.ports: two ports have the same number; each needs its own -> change one of them",
    ),
    "a runtime that is not known": (
        "models.digits.runtime", "torchserve",
        'model-serving:models.digits.runtime: "torchserve" is not one of the choices; '
        "allowed: onnx, tensorflow, tf-serving, triton, vllm, image "
        "-> pulumi config set --path 'model-serving:models.digits.runtime' onnx --stack dev",
    ),
    "TensorFlow for what is no SavedModel": (
        "models.digits", {"source": {"framework": "onnx", "path": "model/digits"}, "runtime": "tensorflow"},
        "model-serving:models.digits.runtime: tensorflow serves a SavedModel, which onnx does not make; allowed with "
        "frameworks: keras, tensorflow -> pulumi config set --path 'model-serving:models.digits.runtime' onnx "
        "--stack dev",
    ),
    "int8 weights in TensorFlow": (
        "models.digits", {
            "source": {
                "framework": "keras", "path": "model/digits", "quantization": {"type": "int8", "maxLoss": 0.01},
            },
            "runtime": "tensorflow",
        },
        "model-serving:models.digits.runtime: tensorflow serves weights as they are; int8 weights are possible with "
        "onnx only -> pulumi config set --path 'model-serving:models.digits.runtime' onnx --stack dev",
    ),
    "files for TensorFlow, which has them": (
        "models.digits", {"image": EXAMPLE_IMAGE, "runtime": "tensorflow", "files": {"claim": "m"}},
        "model-serving:models.digits.files: is not possible with runtime tensorflow, whose image holds the model; "
        "allowed with: tf-serving, triton, vllm, image "
        "-> pulumi config rm --path 'model-serving:models.digits.files' --stack dev",
    ),
    "an accelerator that is not known": (
        "models.digits.accelerator", "gpu",
        'model-serving:models.digits.accelerator: "gpu" is not one of the choices; allowed: none, cuda '
        "-> pulumi config set --path 'model-serving:models.digits.accelerator' none --stack dev",
    ),
    "an accelerator for TensorFlow": (
        "models.digits", {"image": EXAMPLE_IMAGE, "runtime": "tensorflow", "accelerator": "cuda"},
        "model-serving:models.digits.accelerator: is not possible with runtime tensorflow, whose image computes on the "
        "processor; allowed with: onnx "
        "-> pulumi config rm --path 'model-serving:models.digits.accelerator' --stack dev",
    ),
    "an accelerator for another server": (
        "models.digits", {"image": EXAMPLE_IMAGE, "runtime": "triton", "files": {"claim": "m"}, "accelerator": "cuda"},
        "model-serving:models.digits.accelerator: is not possible with runtime triton, whose image says by itself what "
        "it computes with; allowed with: onnx "
        "-> pulumi config rm --path 'model-serving:models.digits.accelerator' --stack dev",
    ),
    "the program's own choice of an accelerator": (
        "models.digits.env", {"ACCELERATOR": "none"},
        "model-serving:models.digits.env: ACCELERATOR cannot be set here: the program sets it "
        "-> pulumi config rm --path 'model-serving:models.digits.env.ACCELERATOR' --stack dev",
    ),
    "another server that is to be built": (
        "models.digits.runtime", "image",
        "model-serving:models.digits.runtime: image runs the server of an image as it is, and builds nothing from a "
        "source; give image (the server) and files (where its model comes from) "
        "-> pulumi config rm --path 'model-serving:models.digits.source' --stack dev",
    ),
    "another server without a model": (
        "models.digits", {"image": EXAMPLE_IMAGE, "runtime": "triton"},
        "model-serving:models.digits.files: is required and missing; the image of triton holds a server and no model "
        f"-> pulumi config set --path 'model-serving:models.digits.files.image' {EXAMPLE_IMAGE} --stack dev",
    ),
    "a model's files from two places": (
        "models.digits", {"image": EXAMPLE_IMAGE, "runtime": "triton", "files": {"image": EXAMPLE_IMAGE, "claim": "m"}},
        "model-serving:models.digits.files: image and claim are given; the files of a model come from exactly one "
        "-> keep one of them",
    ),
    "a model's files from nowhere": (
        "models.digits", {"image": EXAMPLE_IMAGE, "runtime": "triton", "files": {"path": "/model"}},
        "model-serving:models.digits.files: none of image, claim (of a persistent volume) and csi (a volume's driver) "
        "is given; the files of a model come from exactly one "
        f"-> pulumi config set --path 'model-serving:models.digits.files.image' {EXAMPLE_IMAGE} --stack dev",
    ),
    "a folder outside of what is mounted": (
        "models.digits", {"image": EXAMPLE_IMAGE, "runtime": "triton", "files": {"claim": "m", "path": "/a/../b"}},
        'model-serving:models.digits.files.path: "/a/../b" is not a folder of the container; allowed: an absolute path '
        'like /models/digits, no part of it starting with "." or "-" '
        "-> pulumi config set --path 'model-serving:models.digits.files.path' /model --stack dev",
    ),
    "files for the server that has them": (
        "models.digits.files", {"claim": "m"},
        "model-serving:models.digits.files: is not possible with runtime onnx, whose image holds the model; "
        "allowed with: tf-serving, triton, vllm, image "
        "-> pulumi config rm --path 'model-serving:models.digits.files' --stack dev",
    ),
    "an unknown server without a description": (
        "models.digits", {"image": EXAMPLE_IMAGE, "runtime": "image"},
        "model-serving:models.digits.container: is required and missing; with runtime image it says how the server is "
        "run and when it is ready -> pulumi config set --path "
        "'model-serving:models.digits.container.probes.readiness' /v2/health/ready --stack dev",
    ),
    "a description of a known server": (
        "models.digits.container", {"probes": {"readiness": "/ready"}},
        "model-serving:models.digits.container: is not possible with runtime onnx, which is run as it should be; "
        "allowed with: image -> pulumi config rm --path 'model-serving:models.digits.container' --stack dev",
    ),
    "a service type in lower case": (
        "models.digits.service.type", "nodePort",
        'model-serving:models.digits.service.type: "nodePort" is not one of the choices; '
        "allowed: ClusterIP, NodePort, LoadBalancer "
        "-> pulumi config set --path 'model-serving:models.digits.service.type' ClusterIP --stack dev",
    ),
    "a time with a unit": (
        "models.digits.startupTimeoutSeconds", "2m",
        'model-serving:models.digits.startupTimeoutSeconds: "2m" is not a number of seconds; allowed: a whole number '
        "of seconds from 1 to 3600 in which a new pod must be ready, its image pulled "
        "-> pulumi config set --path 'model-serving:models.digits.startupTimeoutSeconds' 120 --stack dev",
    ),
    "no time": (
        "models.digits.requestTimeoutSeconds", 0,
        "model-serving:models.digits.requestTimeoutSeconds: 0 is not a number of seconds; allowed: a whole number "
        "of seconds from 1 to 3600: the longest request, which a leaving pod finishes "
        "-> pulumi config set --path 'model-serving:models.digits.requestTimeoutSeconds' 30 --stack dev",
    ),
    "an update that replaces no pod": (
        "models.digits.rollout", {"maxSurge": 0, "maxUnavailable": 0},
        "model-serving:models.digits.rollout: maxSurge and maxUnavailable are both 0, and no pod could ever be "
        "replaced -> let maxSurge be 1 (an update needs room for one more pod), or maxUnavailable",
    ),
    "a surge in per cent": (
        "models.digits.rollout.maxSurge", "25%",
        'model-serving:models.digits.rollout.maxSurge: "25%" is not a number of pods; allowed: a whole number from 0 '
        "to 1000 -> pulumi config set --path 'model-serving:models.digits.rollout.maxSurge' 1 --stack dev",
    ),
    "a capacity check that is none": (
        "capacityCheck", "yes",
        'model-serving:capacityCheck: "yes" is not one of the choices; allowed: error, warn, off '
        "-> pulumi config set model-serving:capacityCheck error --stack dev",
    ),
    "prices in a sign": (
        "prices", PRICES | {"currency": "$"},
        'model-serving:prices.currency: "$" is not a currency; allowed: three capital letters of ISO 4217, like USD '
        "-> pulumi config set --path 'model-serving:prices.currency' USD --stack dev",
    ),
    "prices of no day": (
        "prices", {key: value for key, value in PRICES.items() if key != "date"},
        "model-serving:prices.date: is required and missing; allowed: a day of the calendar as year-month-day "
        "-> pulumi config set --path 'model-serving:prices.date' 2026-11-01 --stack dev",
    ),
    "prices of a day that is none": (
        "prices", PRICES | {"date": "2026-02-30"},
        'model-serving:prices.date: "2026-02-30" is not a date; allowed: a day of the calendar as year-month-day '
        "-> pulumi config set --path 'model-serving:prices.date' 2026-11-01 --stack dev",
    ),
    "prices of a month": (
        "prices", PRICES | {"date": "2026-11"},
        'model-serving:prices.date: "2026-11" is not a date; allowed: a day of the calendar as year-month-day '
        "-> pulumi config set --path 'model-serving:prices.date' 2026-11-01 --stack dev",
    ),
    "a price table without a price": (
        "prices", PRICES | {"perHour": {}},
        "model-serving:prices.perHour: is empty; allowed: prices of a node per hour, by machine type or pool "
        "-> pulumi config set --path 'model-serving:prices.perHour.g2-standard-4' 0.81 --stack dev",
    ),
    "a price with its currency": (
        "prices", PRICES | {"perHour": {"g2-standard-4": "0.81 USD"}},
        'model-serving:prices.perHour.g2-standard-4: "0.81 USD" is not possible here; allowed: a number from 0 to '
        "below a million: what one node costs per hour "
        "-> pulumi config set --path 'model-serving:prices.perHour.g2-standard-4' 0.81 --stack dev",
    ),
    "a price of a machine without a name": (
        "prices", PRICES | {"perHour": {"g2 standard": 0.81}},
        'model-serving:prices.perHour["g2 standard"]: "g2 standard" is not possible as a name here; allowed: 1 to 63 '
        'letters, digits, "-", "." and "_", with a letter or digit at both ends -> rename it, or '
        "pulumi config rm --path 'model-serving:prices.perHour[\"g2 standard\"]' --stack dev",
    ),
    "a load balancer's settings without a load balancer": (
        "models.digits.service",
        {"type": "NodePort", "internal": True, "sourceRanges": ["10.0.0.0/8"]},
        "model-serving:models.digits.service: internal and sourceRanges would do nothing for a Service of type "
        "NodePort; allowed with: LoadBalancer -> set service.type, or take them out",
    ),
    "a range of addresses with bits beyond its prefix": (
        "models.digits.service",
        {"type": "LoadBalancer", "sourceRanges": ["10.0.0.1/8"]},
        'model-serving:models.digits.service.sourceRanges[0]: "10.0.0.1/8" is not a range of addresses; allowed: '
        "addresses in CIDR notation without bits beyond the prefix: 10.0.0.0/8, 2001:db8::/32 -> pulumi config "
        "set --path 'model-serving:models.digits.service.sourceRanges[0]' 10.0.0.0/8 --stack dev",
    ),
    "an annotation with a space": (
        "models.digits.service.annotations",
        {"my key": "a"},
        'model-serving:models.digits.service.annotations["my key"]: "my key" is not possible as a name here; allowed: '
        "a Kubernetes label's key: an optional domain and /, and at most 63 letters, digits, \"-\", \"_\" and \".\" "
        "-> rename it, or pulumi config rm --path 'model-serving:models.digits.service.annotations[\"my key\"]' "
        "--stack dev",
    ),
    "a host with a scheme": (
        "models.digits.ingress",
        {"host": "https://digits.example.com", "controllerNamespace": "ingress-nginx"},
        'model-serving:models.digits.ingress.host: "https://digits.example.com" is not a host name; allowed: a '
        "full DNS name in lower case, without scheme, port or wildcard -> pulumi config set --path "
        "'model-serving:models.digits.ingress.host' digits.example.com --stack dev",
    ),
    "a host of everybody": (
        "models.digits.route",
        {"host": "*.example.com", "gateway": {"name": "shared", "namespace": "gateways"}},
        'model-serving:models.digits.route.host: "*.example.com" is not a host name; allowed: a full DNS name in '
        "lower case, without scheme, port or wildcard -> pulumi config set --path "
        "'model-serving:models.digits.route.host' digits.example.com --stack dev",
    ),
    "an ingress without a host": (
        "models.digits.ingress",
        {"controllerNamespace": "ingress-nginx"},
        "model-serving:models.digits.ingress.host: is required and missing; allowed: a full DNS name in lower "
        "case, without scheme, port or wildcard -> pulumi config set --path "
        "'model-serving:models.digits.ingress.host' digits.example.com --stack dev",
    ),
    "an ingress whose controller is kept out": (
        "models.digits.ingress",
        {"host": "digits.example.com"},
        "model-serving:models.digits.ingress.controllerNamespace: is required and missing: the network policy "
        "lets only those in that the stack file names; allowed: the namespace of the controller's pods, or "
        "network.allowFrom with their addresses -> pulumi config set --path "
        "'model-serving:models.digits.ingress.controllerNamespace' ingress-nginx --stack dev",
    ),
    "a certificate from nowhere": (
        "models.digits.ingress",
        {"host": "digits.example.com", "controllerNamespace": "ingress-nginx", "tls": {}},
        "model-serving:models.digits.ingress.tls: none of secret, issuer (cert-manager's in this namespace) and "
        "clusterIssuer are given; a certificate comes from exactly one -> keep one of them; without a "
        "certificate, take tls out",
    ),
    "a certificate from two places": (
        "models.digits.ingress",
        {"host": "digits.example.com", "controllerNamespace": "ingress-nginx", "tls": {"secret": "a", "issuer": "b"}},
        "model-serving:models.digits.ingress.tls: 2 of secret, issuer (cert-manager's in this namespace) and "
        "clusterIssuer are given; a certificate comes from exactly one -> keep one of them; without a "
        "certificate, take tls out",
    ),
    "a certificate as a truth": (
        "models.digits.ingress",
        {"host": "digits.example.com", "controllerNamespace": "ingress-nginx", "tls": True},
        "model-serving:models.digits.ingress.tls: true is not a section; keys allowed in it: secret, issuer, "
        "clusterIssuer -> pulumi config set --path 'model-serving:models.digits.ingress.tls.secret' "
        "example-com-tls --stack dev",
    ),
    "a route without a gateway": (
        "models.digits.route",
        {"host": "digits.example.com"},
        "model-serving:models.digits.route.gateway: is required and missing; allowed: a section with name, namespace, "
        "listener, proxyNamespace -> pulumi config set --path 'model-serving:models.digits.route.gateway.name' gateway "
        "--stack dev",
    ),
    "a gateway without a namespace": (
        "models.digits.route",
        {"host": "digits.example.com", "gateway": {"name": "shared"}},
        "model-serving:models.digits.route.gateway.namespace: is required and missing; allowed: 1 to 63 "
        'lower-case letters, digits and "-", with a letter or digit at both ends -> pulumi config set --path '
        "'model-serving:models.digits.route.gateway.namespace' gateways --stack dev",
    ),
    "a canary without a route": (
        "models.digits.canary",
        {"image": EXAMPLE_IMAGE, "weight": 10},
        "model-serving:models.digits.canary: needs a route: only the Gateway API divides requests by weight; a "
        "Service divides them by pods, and an Ingress in a way of its controller's own -> pulumi config set "
        "--path 'model-serving:models.digits.route.gateway.name' gateway --stack dev",
    ),
    "a canary that gets more than all": (
        "models.digits",
        {**DIGITS, "canary": {"image": EXAMPLE_IMAGE, "weight": 110}, "route": ROUTE},
        "model-serving:models.digits.canary.weight: 110 is not a percentage; allowed: a whole number from 0 to "
        "100: how many of a hundred requests -> pulumi config set --path "
        "'model-serving:models.digits.canary.weight' 10 --stack dev",
    ),
    "a canary by tag": (
        "models.digits",
        {**DIGITS, "canary": {"image": "r.example.com/m:latest", "weight": 1}, "route": ROUTE},
        'model-serving:models.digits.canary.image: "r.example.com/m:latest" is not an image by digest; allowed: '
        "repository@sha256:<64 hex digits>; a tag alone can change under a running service -> pulumi config set "
        f"--path 'model-serving:models.digits.canary.image' {EXAMPLE_IMAGE} --stack dev",
    ),
    "a canary without a weight": (
        "models.digits",
        {**DIGITS, "canary": {"image": EXAMPLE_IMAGE}, "route": ROUTE},
        "model-serving:models.digits.canary.weight: is required and missing; allowed: a whole number from 0 to "
        "100: how many of a hundred requests -> pulumi config set --path "
        "'model-serving:models.digits.canary.weight' 10 --stack dev",
    ),
    "callers that are nobody": (
        "models.digits.network.allowFrom",
        [{}],
        "model-serving:models.digits.network.allowFrom[0]: is neither pods (namespace, pods or both) nor "
        "addresses (cidr), or it is both -> give namespace, pods (labels by name), or cidr",
    ),
    "callers that are pods and addresses": (
        "models.digits.network.allowFrom",
        [{"namespace": "web", "cidr": "10.0.0.0/8"}],
        "model-serving:models.digits.network.allowFrom[0]: is neither pods (namespace, pods or both) nor "
        "addresses (cidr), or it is both -> give namespace, pods (labels by name), or cidr",
    ),
    "callers by a label that is none": (
        "network.allowFrom",
        [{"pods": {"app": "my shop"}}],
        'model-serving:network.allowFrom[0].pods.app: "my shop" is not possible here; allowed: at most 63 letters, '
        'digits, "-", "_" and ".", with a letter or digit at both ends; put numbers, true and false in quotes '
        "-> pulumi config set --path 'model-serving:network.allowFrom[0].pods.app' vision --stack dev",
    ),
    "a host to call with a scheme": (
        "models.digits.network.allowTo",
        [{"host": "https://features.example.com", "port": 443}],
        'model-serving:models.digits.network.allowTo[0].host: "https://features.example.com" is not a host; '
        "allowed: in lower case a DNS name, a Service (name or name.namespace.svc) or an IP address -> pulumi "
        "config set --path 'model-serving:models.digits.network.allowTo[0].host' features.example.com --stack dev",
    ),
    "a host to call without a port": (
        "models.digits.network.allowTo",
        [{"host": "features.example.com"}],
        "model-serving:models.digits.network.allowTo[0].port: is required and missing; allowed: a whole number "
        "from 1 to 65535 -> pulumi config set --path 'model-serving:models.digits.network.allowTo[0].port' 443 "
        "--stack dev",
    ),
    "a host to call at no port": (
        "models.digits.network.allowTo",
        [{"host": "features.example.com", "port": 0}],
        "model-serving:models.digits.network.allowTo[0].port: 0 is not a port; allowed: a whole number from 1 to "
        "65535 -> pulumi config set --path 'model-serving:models.digits.network.allowTo[0].port' 443 --stack dev",
    ),
    "a switch that is neither on nor off": (
        "network.defaultDeny",
        "maybe",
        'model-serving:network.defaultDeny: "maybe" is not a switch; allowed: true or false -> pulumi config set '
        "--path 'model-serving:network.defaultDeny' true --stack dev",
    ),
    "callers where everybody may call": (
        "network",
        {"defaultDeny": False, "allowFrom": [{"namespace": "web"}]},
        "model-serving:network.allowFrom: would do nothing: with network.defaultDeny false, everybody may connect "
        "-> pulumi config rm --path 'model-serving:network.allowFrom' --stack dev",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("path", "value", "line"), CASES.values(), ids=CASES.keys())
def test_one_mistake_is_told_in_one_line(mistakes: Mistakes, path: str, value: Any, line: str) -> None:
    assert mistakes(changed(path, value)) == [line]


@pytest.mark.parametrize("name", ["Digits", "2digits", "digits-", "digits_2", "d" * 41, ""])
def test_a_model_needs_the_name_of_a_service(mistakes: Mistakes, name: str) -> None:
    [line] = mistakes(SMALLEST | {"models": {name: SMALLEST["models"]["digits"]}})
    assert f'"{name}" is not possible as a name here; allowed: 1 to 40 lower-case letters' in line


def test_all_mistakes_are_told_at_once(mistakes: Mistakes) -> None:
    config = {
        "namespaces": "typo",
        "cluster": "local",
        "models": {
            "Digits": {
                "source": {"framework": "keras", "path": "model/none"},
                "replicas": "2",
                "secrets": ["apiToken"],
            },
            "iris": {"image": "iris:latest", "resources": {"limits": {"memory": "1GB"}}, "env": {"A": 1.5}},
        },
    }
    told = [line.partition(": ")[0] for line in mistakes(config)]
    assert told == [
        "model-serving:models.Digits",
        "model-serving:models.Digits.replicas",
        "model-serving:models.Digits.secrets[0]",
        "model-serving:models.Digits.source.path",
        "model-serving:models.iris.env.A",
        "model-serving:models.iris.image",
        "model-serving:models.iris.resources.limits.memory",
        "model-serving:namespaces",
        "model-serving:registry.repository",
    ]


def test_the_headline_counts_and_names_the_file(load: Callable[..., Any]) -> None:
    with pytest.raises(Exception, match="2 mistakes") as caught:
        load({}, stack="prod")
    assert str(caught.value).startswith("2 mistakes in the configuration of stack prod (Pulumi.prod.yaml)")


def test_commands_name_the_stack_that_they_repair(mistakes: Mistakes) -> None:
    [line] = mistakes(changed("cluster", ...), stack="staging")
    assert line.endswith("pulumi config set model-serving:cluster local --stack staging")


class TestSecrets:
    """Values of secrets are never shown, and never end up where they are stored in plain text."""

    CANARY = "canary-1234"

    def with_secret(self, key: str) -> dict[str, Any]:
        return changed("models.digits.secrets", [key])

    def test_in_plain_text(self, mistakes: Mistakes) -> None:
        [line] = mistakes(self.with_secret("apiToken") | {"apiToken": self.CANARY})
        assert line == (
            "model-serving:models.digits.secrets[0]: the secret apiToken is stored in plain text "
            "-> pulumi config set --secret model-serving:apiToken --stack dev"
        )

    def test_of_no_model(self, mistakes: Mistakes) -> None:
        [line] = mistakes(SMALLEST, secrets={"apiToken": self.CANARY})
        assert line == (
            "model-serving:apiToken: is a secret that no model uses; list it under models.<name>.secrets, or remove it "
            "-> pulumi config rm model-serving:apiToken --stack dev"
        )

    def test_inside_a_section(self, mistakes: Mistakes) -> None:
        hidden = {"models": {"digits": {"env": {"TOKEN": self.CANARY}}}, "apiToken": self.CANARY}
        plain = {key: value for key, value in SMALLEST.items() if key != "models"}
        [line] = mistakes(plain, secrets=hidden)
        assert line == (
            "model-serving:models: holds an encrypted value; list the key of a secret under models.<name>.secrets "
            "instead -> take it out of Pulumi.dev.yaml, "
            "and pulumi config set --secret 'model-serving:<key>' --stack dev"
        )

    @pytest.mark.parametrize("place", ["env", "secrets"])
    @pytest.mark.parametrize("value", [CANARY, [CANARY, CANARY], {"A": {"B": CANARY}}, {"A": [CANARY]}])
    def test_in_the_wrong_place_is_not_shown(self, mistakes: Mistakes, place: str, value: Any) -> None:
        lines = mistakes(changed(f"models.digits.{place}", value))
        shown = [line for line in lines if self.CANARY in line]
        # The key of a secret is not secret: `pulumi config set --secret` needs it.
        assert all(f"the secret {self.CANARY}" in line or "more than once" in line for line in shown)
        if place == "env":
            assert not shown

    def test_of_another_project(self, mistakes: Mistakes) -> None:
        lines = mistakes(
            self.with_secret("apiToken"), secrets={"acme-vision:apiToken": self.CANARY}, project="acme-vision"
        )
        assert lines == [
            "model-serving:apiToken: is set as acme-vision:apiToken; this program reads model-serving:apiToken "
            "-> rename it in Pulumi.dev.yaml, or set it again with its namespace",
            "model-serving:models.digits.secrets[0]: the secret apiToken has no value "
            "-> pulumi config set --secret model-serving:apiToken --stack dev",
        ]

    def test_to_sign_with_has_no_value(self, mistakes: Mistakes) -> None:
        signing = {"publicKey": PUBLIC_KEY, "privateKey": "signingKey"}
        assert mistakes(SMALLEST | {"signing": signing, "signingKey": self.CANARY}) == [
            "model-serving:signing.privateKey: the secret signingKey is stored in plain text "
            "-> pulumi config set --secret model-serving:signingKey --stack dev"
        ]
        assert mistakes(SMALLEST | {"signing": signing}) == [
            "model-serving:signing.privateKey: the secret signingKey has no value "
            "-> pulumi config set --secret model-serving:signingKey --stack dev"
        ]

    def test_twice(self, mistakes: Mistakes) -> None:
        [line] = mistakes(changed("models.digits.secrets", ["apiToken", "apiToken"]), secrets={"apiToken": self.CANARY})
        assert line == "model-serving:models.digits.secrets: apiToken is listed more than once -> list each once"


def test_names_that_do_not_fit_a_label_are_refused_not_cut(mistakes: Mistakes) -> None:
    name = "d" * 40
    config = SMALLEST | {"models": {name: SMALLEST["models"]["digits"]}}
    [line] = mistakes(config, stack="s" * 30)
    assert line.startswith(f'model-serving:models.{name}: the label "{"s" * 30}-{name}" has 71 characters; allowed: 63')


def test_a_server_that_verifies_no_signature_is_not_run_where_one_is_demanded(mistakes: Mistakes) -> None:
    triton = {
        "image": EXAMPLE_IMAGE,
        "runtime": "triton",
        "files": {"image": EXAMPLE_IMAGE},
    }
    [line] = [
        line
        for line in mistakes(SMALLEST | {"models": {"m": triton}, "signing": {"publicKey": PUBLIC_KEY}})
        if "models.m.runtime" in line
    ]
    assert line == (
        'model-serving:models.m.runtime: "triton" verifies no signature, and signing demands one; allowed: onnx, '
        "tensorflow "
        "-> serve it from a stack without signing"
    )


@pytest.mark.parametrize(("key", "value"), [("runtime", "tensorflow"), ("accelerator", "cuda")])
def test_what_is_built_for_one_kind_of_machine_is_not_built_for_another(
    mistakes: Mistakes, key: str, value: str
) -> None:
    config = changed(f"models.digits.{key}", value) | {"image": {"platforms": ["linux/amd64", "linux/arm64"]}}
    assert mistakes(config) == [
        f'model-serving:models.digits.{key}: "{value}" is built for linux/amd64 only, and image.platforms names '
        "linux/arm64 -> take linux/arm64 out of image.platforms, or build this model in a stack of its own"
    ]


def test_a_public_key_is_one_line(mistakes: Mistakes) -> None:
    promoted = {"models": {"digits": {"image": EXAMPLE_IMAGE}}}
    assert mistakes(SMALLEST | promoted | {"signing": {"publicKey": "-----BEGIN PUBLIC KEY-----"}}) == [
        'model-serving:signing.publicKey: "-----BEGIN PUBLIC KEY-----" is not a public key; allowed: the public half '
        "of an elliptic curve key, in one line: what stands between the BEGIN and END of its PEM, or: openssl ec -in "
        "KEY -pubout -outform DER | base64 -w0 "
        f"-> pulumi config set --path 'model-serving:signing.publicKey' {PUBLIC_KEY} --stack dev"
    ]


def test_a_way_from_outside_is_one(mistakes: Mistakes) -> None:
    ingress = {"host": "digits.example.com", "controllerNamespace": "ingress-nginx"}
    assert mistakes(changed("models.digits", {**DIGITS, "ingress": ingress, "route": ROUTE})) == [
        "model-serving:models.digits.route: ingress and route are given; a model has one way from outside "
        "-> keep one of them"
    ]


def test_two_models_at_one_host(mistakes: Mistakes) -> None:
    models = {name: {"image": EXAMPLE_IMAGE, "route": ROUTE} for name in ("digits", "iris")}
    assert mistakes(SMALLEST | {"models": models}) == [
        'model-serving:models.iris.route.host: "digits.example.com" is the host of digits already; every model has '
        "its own -> pulumi config set --path 'model-serving:models.iris.route.host' iris.example.com --stack dev"
    ]


def test_a_model_with_the_name_of_a_canary(mistakes: Mistakes) -> None:
    canary = {"image": EXAMPLE_IMAGE, "weight": 10}
    models = {"m": {"image": EXAMPLE_IMAGE, "route": ROUTE, "canary": canary}, "m-canary": {"image": EXAMPLE_IMAGE}}
    assert mistakes(SMALLEST | {"models": models}) == [
        "model-serving:models.m-canary: is the name of the canary of m; allowed: any other name -> rename it"
    ]


def test_a_canary_of_all_models(mistakes: Mistakes) -> None:
    models = {"digits": {"image": EXAMPLE_IMAGE, "route": ROUTE}}
    defaults = {"canary": {"image": EXAMPLE_IMAGE, "weight": 10}}
    [line] = mistakes(SMALLEST | {"models": models, "modelDefaults": defaults})
    assert line.startswith("model-serving:modelDefaults.canary: cannot be a default: every model has its own;")


def test_holes_in_policies_that_are_switched_off(mistakes: Mistakes) -> None:
    own = {"allowFrom": [{"namespace": "web"}], "allowTo": [{"host": "features.example.com", "port": 443}]}
    lines = mistakes(changed("models.digits.network", own) | {"network": {"defaultDeny": False}})
    assert [line.partition(" -> ")[0] for line in lines] == [
        f"model-serving:models.digits.network.{key}: would do nothing: with network.defaultDeny false, everybody may "
        "connect"
        for key in ("allowFrom", "allowTo")
    ]


@pytest.mark.parametrize(
    "opened",
    [
        {"network": {"allowFrom": [{"cidr": "10.0.0.0/8"}]}},
        {"network": {"defaultDeny": False}},
        {"models": {"digits": {"image": EXAMPLE_IMAGE, "network": {"allowFrom": [{"namespace": "nginx"}]}}}},
    ],
)
def test_an_ingress_that_is_let_in_otherwise(load: Callable[..., Any], opened: dict[str, Any]) -> None:
    config = copy.deepcopy(SMALLEST | opened)
    config["models"]["digits"]["ingress"] = {"host": "digits.example.com"}
    assert load(config)


def test_a_broken_section_is_shown_as_such(mistakes: Mistakes) -> None:
    [line] = mistakes(SMALLEST | {"models": '{"digits": '})
    assert "is not a section" in line


def test_a_folder_is_looked_for_below_the_project(mistakes: Mistakes, project: Path) -> None:
    (project / "model/digits/train.py").unlink()
    [line] = mistakes(SMALLEST)
    assert "folder model/digits has no train.py" in line
