"""CoreDNS as an ordinary workload of the cluster: what is applied, as plain objects."""

import hashlib
from typing import Any

from toolchain.cluster.layout import CLUSTER_DOMAIN, DNS_IP

_NAMESPACE = "kube-system"
# Not 53: an ordinary port needs no capability, and the Service maps it.
_PORT = 1053
# Service and selector are named as everywhere, so that what looks for the cluster's DNS finds it.
_LABELS = {"k8s-app": "kube-dns"}


def corefile(resolv_conf: str) -> str:
    """CoreDNS's configuration: names of the cluster, and the host's name servers for the rest, if it has any."""
    forward = "    forward . /etc/resolv.conf\n    cache 30\n" if "nameserver" in resolv_conf else ""
    return f""".:{_PORT} {{
    errors
    health
    ready
    kubernetes {CLUSTER_DOMAIN} in-addr.arpa ip6.arpa {{
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 5
    }}
{forward}}}
"""


def objects(image: str, resolv_conf: str) -> list[dict[str, Any]]:
    """The objects to apply, in order. A change of ``image``, configuration or name servers rolls the pod."""
    configuration = corefile(resolv_conf)
    revision = hashlib.sha256((configuration + resolv_conf).encode()).hexdigest()[:12]
    named = {"name": "coredns", "namespace": _NAMESPACE, "labels": _LABELS}
    role = {"name": "system:coredns"}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": named},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": role,
            "rules": [
                {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": ["list", "watch"]},
                {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
            ],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": role,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role["name"]},
            "subjects": [{"kind": "ServiceAccount", "name": "coredns", "namespace": _NAMESPACE}],
        },
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": named, "data": {"Corefile": configuration}},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {**named, "name": "kube-dns"},
            "spec": {
                "selector": _LABELS,
                "clusterIP": DNS_IP,
                "ports": [
                    {"name": "dns", "port": 53, "targetPort": _PORT, "protocol": "UDP"},
                    {"name": "dns-tcp", "port": 53, "targetPort": _PORT, "protocol": "TCP"},
                ],
            },
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": named,
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": _LABELS},
                "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
                "template": {
                    "metadata": {"labels": _LABELS, "annotations": {"model-serving/revision": revision}},
                    "spec": _pod(image),
                },
            },
        },
    ]


def _pod(image: str) -> dict[str, Any]:
    return {
        "serviceAccountName": "coredns",
        "priorityClassName": "system-cluster-critical",
        "dnsPolicy": "Default",  # the host's resolv.conf: its own Service would be a loop
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 5,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "coredns",
                "image": image,
                "imagePullPolicy": "Never",  # imported, there is nowhere to pull it from
                "command": ["/coredns"],
                "args": ["-conf", "/etc/coredns/Corefile"],
                "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "170Mi"}},
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                    "readOnlyRootFilesystem": True,
                },
                "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1},
                "livenessProbe": {"httpGet": {"path": "/health", "port": 8080}, "failureThreshold": 5},
                "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns", "readOnly": True}],
            }
        ],
        "volumes": [{"name": "config", "configMap": {"name": "coredns"}}],
    }
