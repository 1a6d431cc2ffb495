"""The resources of stack dev as one would write them by hand: no configuration, no components, every value literal."""

import pulumi
import pulumi_docker_build as docker_build
import pulumi_kubernetes as k8s

selector = {
    "app.kubernetes.io/name": "digits",
    "app.kubernetes.io/instance": "dev-digits",
    "app.kubernetes.io/component": "model-server",
    "app.kubernetes.io/part-of": "model-serving",
    "app.kubernetes.io/managed-by": "pulumi",
}
provider = k8s.Provider("cluster", cluster_identifier="local", kubeconfig="")
options = pulumi.ResourceOptions(provider=provider)

namespace = k8s.core.v1.Namespace(
    "models",
    metadata={
        "name": "bench-flat",
        "labels": {
            "app.kubernetes.io/part-of": "model-serving",
            "app.kubernetes.io/managed-by": "pulumi",
            "pod-security.kubernetes.io/enforce": "restricted",
            "pod-security.kubernetes.io/warn": "restricted",
            "pod-security.kubernetes.io/audit": "restricted",
        },
    },
    opts=options,
)
namespace_name = namespace.metadata["name"]

image = docker_build.Image(
    "digits",
    context={"location": "context"},
    tags=["localhost:5001/models/digits:flat"],
    push=True,
    build_on_preview=False,
    cache_from=[{"registry": {"ref": "localhost:5001/models/digits:flat"}}],
    cache_to=[{"inline": {}}],
    secrets={"pip_conf": pulumi.Output.secret(""), "ca_bundle": pulumi.Output.secret("")},
    ignore_secrets_in_diff_calculation=["ca_bundle", "pip_conf"],
    opts=pulumi.ResourceOptions(retain_on_delete=True),
)
reference = pulumi.Output.concat("localhost:5001/models/digits@", image.digest)
labels = {**selector, "app.kubernetes.io/version": image.digest.apply(lambda digest: digest[7:19])}

settings = k8s.core.v1.ConfigMap(
    "digits",
    metadata={"namespace": namespace_name, "labels": selector},
    data={"MODEL_NAME": "digits", "PORT": "8080", "DRAIN_SECONDS": "30"},
    immutable=True,
    opts=options,
)
account = k8s.core.v1.ServiceAccount(
    "digits",
    metadata={"namespace": namespace_name, "labels": selector},
    automount_service_account_token=False,
    opts=options,
)
deployment = k8s.apps.v1.Deployment(
    "digits",
    metadata={
        "namespace": namespace_name,
        "labels": labels,
        "annotations": {"pulumi.com/timeoutSeconds": "130", "pulumi.com/patchForce": "true"},
    },
    spec={
        "replicas": 1,
        "selector": {"match_labels": selector},
        "strategy": {"type": "RollingUpdate", "rolling_update": {"max_unavailable": 0, "max_surge": 1}},
        "progress_deadline_seconds": 120,
        "revision_history_limit": 3,
        "template": {
            "metadata": {"labels": labels},
            "spec": {
                "service_account_name": account.metadata["name"],
                "automount_service_account_token": False,
                "enable_service_links": False,
                "security_context": {
                    "run_as_non_root": True,
                    "run_as_user": 65532,
                    "run_as_group": 65532,
                    "fs_group": 65532,
                    "seccomp_profile": {"type": "RuntimeDefault"},
                },
                "termination_grace_period_seconds": 40,
                "affinity": {
                    "pod_anti_affinity": {
                        "preferred_during_scheduling_ignored_during_execution": [
                            {
                                "weight": 100,
                                "pod_affinity_term": {
                                    "topology_key": "kubernetes.io/hostname",
                                    "label_selector": {"match_labels": selector},
                                },
                            }
                        ]
                    }
                },
                "topology_spread_constraints": [
                    {
                        "max_skew": 1,
                        "topology_key": "topology.kubernetes.io/zone",
                        "when_unsatisfiable": "ScheduleAnyway",
                        "label_selector": {"match_labels": selector},
                    },
                    {
                        "max_skew": 1,
                        "topology_key": "kubernetes.io/hostname",
                        "when_unsatisfiable": "ScheduleAnyway",
                        "label_selector": {"match_labels": selector},
                    },
                ],
                "containers": [
                    {
                        "name": "server",
                        "image": reference,
                        "image_pull_policy": "IfNotPresent",
                        "env_from": [{"config_map_ref": {"name": settings.metadata["name"]}}],
                        "ports": [{"name": "http", "container_port": 8080, "protocol": "TCP"}],
                        "resources": {
                            "requests": {"cpu": "250m", "memory": "256Mi"},
                            "limits": {"memory": "512Mi"},
                        },
                        "security_context": {
                            "allow_privilege_escalation": False,
                            "read_only_root_filesystem": True,
                            "capabilities": {"drop": ["ALL"]},
                        },
                        "startup_probe": {
                            "http_get": {"path": "/v2/health/ready", "port": "http"},
                            "period_seconds": 1,
                            "timeout_seconds": 2,
                            "failure_threshold": 120,
                        },
                        "readiness_probe": {
                            "http_get": {"path": "/v2/health/ready", "port": "http"},
                            "period_seconds": 5,
                            "timeout_seconds": 2,
                            "failure_threshold": 2,
                        },
                        "liveness_probe": {
                            "http_get": {"path": "/v2/health/live", "port": "http"},
                            "period_seconds": 10,
                            "timeout_seconds": 5,
                            "failure_threshold": 6,
                        },
                        "lifecycle": {"pre_stop": {"sleep": {"seconds": 5}}},
                        "termination_message_policy": "FallbackToLogsOnError",
                        "volume_mounts": [{"name": "scratch", "mount_path": "/tmp"}],
                    }
                ],
                "volumes": [{"name": "scratch", "empty_dir": {"size_limit": "64Mi"}}],
            },
        },
    },
    opts=options,
)
service = k8s.core.v1.Service(
    "digits",
    metadata={"name": "digits", "namespace": namespace_name, "labels": selector},
    spec={
        "type": "NodePort",
        "selector": selector,
        "ports": [{"name": "http", "port": 80, "target_port": "http", "protocol": "TCP"}],
    },
    opts=pulumi.ResourceOptions(provider=provider, depends_on=[deployment]),
)
stack_labels = {"app.kubernetes.io/part-of": "model-serving", "app.kubernetes.io/managed-by": "pulumi"}
k8s.networking.v1.NetworkPolicy(
    "default-deny",
    metadata={
        "namespace": namespace_name,
        "labels": stack_labels,
        "annotations": {"kubernetes.io/description": "denies what no other policy allows"},
    },
    spec={"pod_selector": {}, "policy_types": ["Ingress", "Egress"]},
    opts=options,
)
k8s.networking.v1.NetworkPolicy(
    "digits",
    metadata={
        "namespace": namespace_name,
        "labels": stack_labels,
        "annotations": {"kubernetes.io/description": "in: anybody, for the NodePort"},
    },
    spec={
        "pod_selector": {
            "match_labels": {key: value for key, value in selector.items() if not key.endswith("/component")}
        },
        "policy_types": ["Ingress", "Egress"],
        "ingress": [{"ports": [{"protocol": "TCP", "port": 8080}]}],
        "egress": [],
    },
    opts=options,
)
pulumi.export("namespace", namespace_name)
pulumi.export("image", reference)
pulumi.export("deployment", deployment.metadata["name"])
pulumi.export("service", service.metadata["name"])
pulumi.export("nodePort", service.spec.ports[0].node_port)
