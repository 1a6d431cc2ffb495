"""What a pod's status says about why it is not ready."""

from typing import Any

from toolchain.plugin_base.values import Object

from ..objects import metadata, name_of
from .base import condition


def qualified_name(obj: Object) -> str:
    """`namespace/name`, or the bare name in the namespace `default`."""
    namespace = metadata(obj).get("namespace") or "default"
    return name_of(obj) if namespace == "default" else f"{namespace}/{name_of(obj)}"


def is_ready(pod: Object) -> bool:
    """Whether the pod serves, or has done its work."""
    if (pod.get("status") or {}).get("phase") == "Succeeded":
        return True
    steps = ("PodScheduled", "Initialized", "Ready")
    return all((condition(pod, step) or {}).get("status") == "True" for step in steps)


def waiting_for(pod: Object) -> str:
    """The step that the pod has not taken yet, for a status line."""
    for type_, step in (("PodScheduled", "scheduled"), ("Initialized", "initialized")):
        if (condition(pod, type_) or {}).get("status") != "True":
            return f'Waiting for Pod "{qualified_name(pod)}" to be {step}'
    return f'Waiting for Pod "{qualified_name(pod)}" to be ready'


def trouble(pod: Object) -> str:
    """One message about the first condition that the pod does not meet, with its containers' errors; or nothing."""
    if is_ready(pod):
        return ""
    scheduled = condition(pod, "PodScheduled")
    if (scheduled or {}).get("status") != "True":
        return ""  # no container has anything to say; see `unscheduled`
    unmet = condition(pod, "Initialized")
    if not unmet or unmet.get("status") == "True":
        unmet = condition(pod, "Ready")
    if not unmet:
        return ""
    message = unmet.get("message") or ""
    errors = container_errors(pod)
    if not message and not errors:
        return ""
    said = message if unmet.get("reason") else ""
    return f"[Pod {qualified_name(pod)}]: {said}" + "\n".join(errors)


def unscheduled(pod: Object) -> str:
    """Why no node takes the pod, or nothing."""
    found = condition(pod, "PodScheduled")
    if not found or found.get("status") == "True" or not found.get("message"):
        return ""
    return f"[Pod {qualified_name(pod)}]: {found['message']}"


def unexplained(pod: Object) -> bool:
    """Whether the pod is not ready and its status does not say why, so that its events must."""
    return not is_ready(pod) and not unscheduled(pod) and not container_errors(pod)


def container_errors(pod: Object) -> list[str]:
    """What is wrong with each container that is not ready, as far as its status says."""
    status = pod.get("status") or {}
    return [
        error
        for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
        if not container.get("ready")
        for error in _container_errors(container)
    ]


def _container_errors(status: dict[str, Any]) -> list[str]:
    errors: list[str] = []
    name = status.get("name")
    state = status.get("state") or {}
    waiting = state.get("waiting")
    if waiting and waiting.get("reason") not in ("ContainerCreating", "PodInitializing"):
        errors.append(f"[{waiting.get('reason')}] {waiting.get('message') or ''}".rstrip())
    ended = state.get("terminated")
    if ended and ended.get("reason"):
        text = ended.get("message")
        completed = f'container "{name}" completed with exit code {ended.get("exitCode")}'
        errors.append(f"[{ended['reason']}] {text}" if text else completed)
    last = (status.get("lastState") or {}).get("terminated")
    if last:
        errors.append(
            f'container "{name}" terminated at {last.get("finishedAt")} '
            f"({last.get('reason')}: exit code {last.get('exitCode')})"
        )
        if last.get("message"):
            errors.append(last["message"])
    return errors
