"""A container of a pod as a service of Compose: the same process, under the same user, rights and limits."""

from typing import Any

from components.planning.quantities import quantity_value, whole_bytes

# As the kubelet does by default (containerLogMaxSize, containerLogMaxFiles).
LOGGING = {"driver": "json-file", "options": {"max-size": "10m", "max-file": "5"}}


def process(pod: Any, container: Any) -> dict[str, Any]:
    """What every container of a pod has: its image and command, its user and rights, and what it may take."""
    security = container["security_context"]
    service: dict[str, Any] = {
        "image": container["image"],
        "user": f"{pod['security_context']['run_as_user']}:{pod['security_context']['run_as_group']}",
        "read_only": security["read_only_root_filesystem"],
        "cap_drop": list(security["capabilities"]["drop"]),
        "security_opt": [f"no-new-privileges:{str(not security['allow_privilege_escalation']).lower()}"],
        # Pods have no swap.
        "memswap_limit": whole_bytes(container["resources"]["limits"]["memory"]),
        "logging": LOGGING,
        "deploy": {"resources": _resources(container["resources"])},
    }
    # Kubernetes calls "command" what Docker calls the entry point.
    if "command" in container:
        service["entrypoint"] = list(container["command"])
    if "args" in container:
        service["command"] = list(container["args"])
    return service


def _resources(resources: Any) -> dict[str, Any]:
    limits, requests = resources.get("limits", {}), resources["requests"]
    found: dict[str, Any] = {
        "limits": {"memory": str(whole_bytes(limits["memory"]))},
        "reservations": {"memory": str(whole_bytes(requests["memory"]))},
    }
    if "cpu" in limits:
        found["limits"]["cpus"] = f"{quantity_value(limits['cpu']):f}"
    if "cpu" in requests:
        found["reservations"]["cpus"] = f"{quantity_value(requests['cpu']):f}"
    for resource, amount in limits.items():
        if resource not in ("cpu", "memory"):
            device = {"driver": "nvidia", "count": int(amount), "capabilities": ["gpu"]}
            found["reservations"]["devices"] = [device]
    return found
