"""Where Prometheus finds a model's metrics, for the Prometheus Operator."""

from typing import TYPE_CHECKING, Any

from components.planning.names import COMPONENT_LABEL, NAME_LABEL, VERSION_LABEL, any_component

if TYPE_CHECKING:
    from components.planning.runtimes import Runtime

API_VERSION = "monitoring.coreos.com/v1"


def pod_monitor(runtime: "Runtime", selector: dict[str, str], interval: str) -> dict[str, Any]:
    """The spec of a PodMonitor of a model's pods and its canary's. Keys are as in the operator's definition.

    Pods and not a Service, since not every server's metrics are on a port of its Service. The job is the model's name,
    which no metric of a server's own can be taken for.
    """
    return {
        "jobLabel": NAME_LABEL,
        "selector": {"matchLabels": any_component(selector)},
        # With every series goes whether it is the canary's, and of which image.
        "podTargetLabels": [COMPONENT_LABEL, VERSION_LABEL],
        "podMetricsEndpoints": [
            {"port": runtime.metrics_port, "path": runtime.metrics_path, "interval": interval},
        ],
    }
