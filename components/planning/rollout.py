"""How pods come and go: probes, update strategy, shutdown, and how long each may take. All times are in seconds."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pulumi_kubernetes.apps.v1 import DeploymentStrategyArgsDict
    from pulumi_kubernetes.core.v1 import LifecycleArgsDict, ProbeArgsDict

    from components.config import ModelConfig
    from components.planning.runtimes import Runtime

# A leaving pod keeps answering this long, until every node has taken it out of its routes.
PRE_STOP_SLEEP = 5
# What the server may take to exit after the last answer.
SHUTDOWN_MARGIN = 5
# `pulumi up` waits a little longer than Kubernetes, so that its error shows Kubernetes' own reason.
AWAIT_MARGIN = 10

STARTUP_PERIOD = 1


def strategy(config: "ModelConfig") -> "DeploymentStrategyArgsDict":
    """By default a new pod first, and an old one leaves only when the new one answers: no update takes capacity away.

    Only a stack file that says so lets replicas be missing.
    """
    return {
        "type": "RollingUpdate",
        "rolling_update": {"max_unavailable": config.rollout.unavailable, "max_surge": config.rollout.max_surge},
    }


def progress_deadline(config: "ModelConfig") -> int:
    """How long Kubernetes gives each new pod before it calls the rollout failed."""
    return config.startup_timeout_seconds


def await_timeout(config: "ModelConfig") -> int:
    """How long `pulumi up` waits for the whole rollout: pods are replaced one after the other.

    Of an autoscaler's range the least counts: a rollout that fails is waited for to the end of this time, and pods
    seldom take all of theirs.
    """
    return config.startup_timeout_seconds * config.replicas.min + AWAIT_MARGIN


def termination_grace(config: "ModelConfig") -> int:
    """How long a pod may take to leave: the sleep, the longest request that came just before its end, and a margin."""
    return PRE_STOP_SLEEP + config.request_timeout_seconds + SHUTDOWN_MARGIN


def startup_probe(config: "ModelConfig", runtime: "Runtime") -> "ProbeArgsDict":
    """Asks every second, so that a fast start counts as one, and gives up when the rollout does."""
    threshold = -(-config.startup_timeout_seconds // STARTUP_PERIOD)
    return _probe(runtime.readiness, period_seconds=STARTUP_PERIOD, timeout_seconds=2, failure_threshold=threshold)


def readiness_probe(runtime: "Runtime") -> "ProbeArgsDict":
    """Takes a pod that cannot answer out of the Service within 10 seconds."""
    return _probe(runtime.readiness, period_seconds=5, timeout_seconds=2, failure_threshold=2)


def liveness_probe(runtime: "Runtime") -> "ProbeArgsDict":
    """Restarts a server that hangs. Slower than readiness: a restart makes an overload worse."""
    return _probe(runtime.liveness, period_seconds=10, timeout_seconds=5, failure_threshold=6)


def lifecycle() -> "LifecycleArgsDict":
    """Keep serving while the pod is taken out of the routes. The native sleep needs no shell in the image."""
    return {"pre_stop": {"sleep": {"seconds": PRE_STOP_SLEEP}}}


def _probe(path: str | None, *, period_seconds: int, timeout_seconds: int, failure_threshold: int) -> "ProbeArgsDict":
    """A probe of an HTTP path, or without one of the open port."""
    times: ProbeArgsDict = {
        "period_seconds": period_seconds,
        "timeout_seconds": timeout_seconds,
        "failure_threshold": failure_threshold,
    }
    if path is None:
        return {"tcp_socket": {"port": "http"}, **times}
    return {"http_get": {"path": path, "port": "http"}, **times}
