"""The resources of resources.json in a bare loop: no configuration, no components, no outputs passed on."""

import json
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as k8s


def snake_case(key: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in key)


def constructor(token: str) -> Any:
    """The class of a type token: "kubernetes:apps/v1:Deployment" is k8s.apps.v1.Deployment."""
    _, api, kind = token.split(":")
    group, _, version = api.partition("/")
    return getattr(getattr(getattr(k8s, group.split(".")[0]), version), kind)


provider = k8s.Provider("cluster", cluster_identifier="local", kubeconfig="")
options = pulumi.ResourceOptions(provider=provider)
for resource in json.loads(Path("resources.json").read_text()):
    arguments = {snake_case(key): value for key, value in resource["inputs"].items()}
    constructor(resource["type"])(resource["name"], **arguments, opts=options)
