"""Objects that a fresh API server lacks and that are nobody's workload."""

from typing import Any

from toolchain.cluster.layout import NODE_IP


def objects(port: int) -> list[dict[str, Any]]:
    """What to apply before anything else; ``port`` is the API server's."""
    group = "rbac.authorization.k8s.io"
    client = "kube-apiserver-kubelet-client"
    return [
        # Logs, exec and port-forward: the API server's own client of the kubelet may use all of the kubelet's API.
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": f"model-serving:{client}"},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "system:kubelet-api-admin"},
            "subjects": [{"apiGroup": group, "kind": "User", "name": client}],
        },
        # Where pods reach the API server. Its own reconciler (off, see its flags) never corrects a port that changed.
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": "kubernetes",
                "namespace": "default",
                "labels": {"kubernetes.io/service-name": "kubernetes"},
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": [NODE_IP], "conditions": {"ready": True}}],
            "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
        },
    ]
