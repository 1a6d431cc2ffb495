"""Exporters that run on nodes: of the machine, and of its GPUs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.apps.v1 import DaemonSet
from pulumi_kubernetes.core.v1 import Namespace

from components.config import GpuConfig, MonitoringConfig
from components.planning import gpu_support
from components.planning import monitoring_stack as planned
from components.planning.containers import restricted_container, restricted_pod
from components.planning.names import stack_labels
from components.planning.pools import NodePool

if TYPE_CHECKING:
    from pulumi_kubernetes.core.v1 import PodSpecArgsDict

_NODE_PORT, _GPU_PORT = 9100, 9400
_POD_RESOURCES = "/var/lib/kubelet/pod-resources"


@dataclass(frozen=True, kw_only=True)
class NodeMetricsArgs:
    """The namespace of these pods, and the pools whose nodes have GPUs."""

    config: MonitoringConfig
    namespace: str
    gpu_pools: Mapping[str, tuple[NodePool, GpuConfig]]


class NodeMetrics(pulumi.ComponentResource):
    """Node exporter on every node, and NVIDIA's DCGM exporter on nodes with GPUs.

    They see the host, which Pod Security `restricted` and `baseline` forbid. So they have a namespace of their own,
    that admits them, and the namespace of Prometheus need not.
    """

    namespace: pulumi.Output[str]

    def __init__(self, name: str, args: NodeMetricsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("model-serving:monitoring:NodeMetrics", name, None, opts)
        self._args = args
        namespace = Namespace(
            f"{name}-namespace",
            metadata={
                "name": args.namespace,
                "labels": {**stack_labels(), "pod-security.kubernetes.io/enforce": "privileged"},
            },
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.namespace = namespace.metadata.apply(lambda metadata: metadata.name or "")
        if args.config.install.node_exporter:
            self._exporter(f"{name}-node", planned.NODE_EXPORTER, self._node_exporter())
        if args.gpu_pools:
            self._exporter(f"{name}-gpu", planned.DCGM_EXPORTER, self._dcgm_exporter())
        self.register_outputs({"namespace": self.namespace})

    def _exporter(self, name: str, component: str, pod: "PodSpecArgsDict") -> None:
        child, labels = pulumi.ResourceOptions(parent=self), planned.labels(component, planned.NODE_AGENT)
        DaemonSet(
            f"{name}-daemonset",
            metadata={"namespace": self.namespace, "labels": labels},
            spec={
                "selector": {"match_labels": labels},
                "update_strategy": {"type": "RollingUpdate", "rolling_update": {"max_unavailable": "10%"}},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
            opts=child,
        )
        CustomResource(
            f"{name}-monitor",
            api_version="monitoring.coreos.com/v1",
            kind="PodMonitor",
            metadata={"namespace": self.namespace, "labels": labels | self._args.config.object_labels},
            spec=planned.exporter_monitor(labels),
            opts=child,
        )

    def _image(self, component: str) -> str:
        return planned.image(self._args.config, component)

    def _node_exporter(self) -> "PodSpecArgsDict":
        return {
            "automount_service_account_token": False,
            "security_context": restricted_pod(planned.USER),
            "tolerations": [{"operator": "Exists"}],
            "containers": [
                {
                    "name": planned.NODE_EXPORTER,
                    "image": self._image(planned.NODE_EXPORTER),
                    "args": [
                        "--path.rootfs=/host",
                        "--path.procfs=/host/proc",
                        "--path.sysfs=/host/sys",
                        f"--web.listen-address=:{_NODE_PORT}",
                    ],
                    "ports": [{"name": "metrics", "container_port": _NODE_PORT}],
                    "readiness_probe": {"http_get": {"path": "/", "port": "metrics"}},
                    "liveness_probe": {"http_get": {"path": "/", "port": "metrics"}},
                    "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
                    "security_context": restricted_container(),
                    "volume_mounts": [{"name": "host", "mount_path": "/host", "read_only": True}],
                }
            ],
            "volumes": [{"name": "host", "host_path": {"path": "/"}}],
        }

    def _dcgm_exporter(self) -> "PodSpecArgsDict":
        pools = self._args.gpu_pools
        return {
            "automount_service_account_token": False,
            "security_context": {"seccomp_profile": {"type": "RuntimeDefault"}},
            "affinity": {"node_affinity": planned.on_nodes_of(plan for plan, _ in pools.values())},
            "tolerations": gpu_support.tolerations(pools),
            "containers": [
                {
                    "name": planned.DCGM_EXPORTER,
                    "image": self._image(planned.DCGM_EXPORTER),
                    "env": [
                        {"name": "DCGM_EXPORTER_LISTEN", "value": f":{_GPU_PORT}"},
                        {"name": "DCGM_EXPORTER_KUBERNETES", "value": "true"},
                        {"name": "NODE_NAME", "value_from": {"field_ref": {"field_path": "spec.nodeName"}}},
                    ],
                    "ports": [{"name": "metrics", "container_port": _GPU_PORT}],
                    "readiness_probe": {"http_get": {"path": "/health", "port": "metrics"}},
                    # Reading the GPUs takes a while at the start.
                    "liveness_probe": {
                        "http_get": {"path": "/health", "port": "metrics"},
                        "initial_delay_seconds": 45,
                    },
                    "resources": {"requests": {"cpu": "50m", "memory": "256Mi"}, "limits": {"memory": "512Mi"}},
                    # The driver's devices are root's. Counters for profiling would want SYS_ADMIN, and are left out.
                    "security_context": {
                        "run_as_user": 0,
                        "run_as_non_root": False,
                        **restricted_container(),
                        "read_only_root_filesystem": False,
                    },
                    # Which pod has which GPU.
                    "volume_mounts": [{"name": "pod-resources", "mount_path": _POD_RESOURCES, "read_only": True}],
                }
            ],
            "volumes": [{"name": "pod-resources", "host_path": {"path": _POD_RESOURCES}}],
        }
