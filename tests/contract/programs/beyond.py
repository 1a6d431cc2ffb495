"""What the recording does not show; `step` is a stack config value."""

import os
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

config = pulumi.Config()
step = config.require("step")
image = os.environ["PROBE_IMAGE"]
provider = k8s.Provider("k", cluster_identifier="probe", kubeconfig="")
options = pulumi.ResourceOptions(provider=provider)


def child(**more: Any) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions.merge(options, pulumi.ResourceOptions(**more))


namespace = k8s.core.v1.Namespace("beyond", opts=options).metadata["name"]
labels = {"app": "web"}


def deployment(command: list[str], annotations: dict[str, str], replicas: int = 1, **more: Any) -> None:
    container: Any = {
        "name": "web",
        "image": image,
        "command": command,
        "env": [{"name": "TOKEN", "value": pulumi.Output.secret("canary-env")}],
    }
    pod: Any = {"dnsPolicy": "Default", "terminationGracePeriodSeconds": 1, "containers": [container]}
    spec: Any = {
        "replicas": replicas,
        # Without it, a container that is about to fail counts as available for a moment.
        "minReadySeconds": 3,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    metadata: Any = {"namespace": namespace, "annotations": annotations}
    k8s.apps.v1.Deployment("web", metadata=metadata, spec=spec, opts=child(**more))


if step in ("failing", "failing-again"):
    deployment(["sh", "-c", "exit 7"], {"pulumi.com/timeoutSeconds": "12"})
if step == "mended":
    deployment(["sleep", "infinity"], {"pulumi.com/timeoutSeconds": "60"})
if step == "scaled":
    deployment(["sleep", "infinity"], {"pulumi.com/timeoutSeconds": "60"}, replicas=2)
if step == "forced":
    deployment(["sleep", "infinity"], {"pulumi.com/timeoutSeconds": "60", "pulumi.com/patchForce": "true"})
if step == "ignored":
    deployment(
        ["sleep", "infinity"], {"pulumi.com/timeoutSeconds": "60", "note": "new"}, ignore_changes=["spec.replicas"]
    )
if step == "slow":
    deployment(["sh", "-c", "exit 7"], {"pulumi.com/patchForce": "true"})

if step == "service":
    service = k8s.core.v1.Service(
        "free", metadata={"namespace": namespace}, spec={"type": "NodePort", "ports": [{"port": 80}]}, opts=options
    )
    pulumi.export("nodePort", service.spec.ports[0].node_port)

if step in ("custom", "custom-changed"):
    schema: Any = {"type": "object", "x_kubernetes_preserve_unknown_fields": True}
    versions: Any = [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}]
    names: Any = {"kind": "Gadget", "plural": "gadgets", "singular": "gadget"}
    if step == "custom-changed":
        names["shortNames"] = ["gd"]
    definition = k8s.apiextensions.v1.CustomResourceDefinition(
        "gadgets",
        metadata={"name": "gadgets.probe.test"},
        spec={"group": "probe.test", "scope": "Cluster", "names": names, "versions": versions},
        opts=options,
    )
    k8s.apiextensions.CustomResource(
        "gadget",
        api_version="probe.test/v1",
        kind="Gadget",
        spec={"size": 1 if step == "custom" else 2},
        opts=child(depends_on=[definition]),
    )

if step in ("fixed", "fixed-changed"):
    k8s.core.v1.ConfigMap(
        "fixed",
        metadata={"namespace": namespace, "name": "fixed"},
        data={"a": "1" if step == "fixed" else "2"},
        opts=options,
    )
if step == "twice":
    first = k8s.core.v1.ConfigMap("first", metadata={"namespace": namespace, "name": "same"}, opts=options)
    k8s.core.v1.ConfigMap("second", metadata={"namespace": namespace, "name": "same"}, opts=child(depends_on=[first]))

if step == "adopted":
    k8s.core.v1.ConfigMap(
        "adopted",
        metadata={"name": "by-hand", "namespace": "default", "labels": {"by": "hand"}},
        data={"a": "1"},
        opts=child(import_="default/by-hand"),
    )
    found = k8s.core.v1.ConfigMap.get("found", "default/by-hand", opts=options)
    pulumi.export("found", found.data["a"])

if step == "taken-over":
    k8s.core.v1.Service(
        "taken-over",
        metadata={
            "name": "by-kubectl",
            "namespace": "default",
            "annotations": {"pulumi.com/patchForce": "true", "pulumi.com/skipAwait": "true"},
        },
        spec={"selector": {"app": "new"}, "ports": [{"name": "web", "port": 80, "target_port": "http"}]},
        opts=child(
            import_="default/by-kubectl",
            ignore_changes=[f"spec.{name}" for name in ("clusterIP", "clusterIPs", "sessionAffinity")],
        ),
    )

if step in ("kept", "guarded"):
    k8s.core.v1.ConfigMap(
        "kept", metadata={"name": "kept"}, opts=child(retain_on_delete=True, protect=step == "guarded")
    )
