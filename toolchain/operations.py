"""The commands that work on a stack."""

import tempfile
import textwrap
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.table import Table

from toolchain import capacity, cluster_memory, engine, local, lock, selection, services, stack_config
from toolchain.errors import ToolchainError
from toolchain.kube import Kube, Pod
from toolchain.predict import predict
from toolchain.progress import Progress, err, out
from toolchain.stack import Stack


def up(stack: Stack, progress: Progress, *, refresh: bool = False) -> int:
    """Deploy the stack and ask its models for an answer. Returns the exit code.

    With ``refresh``, what others changed in the cluster is looked for and taken back.
    """
    with lock.of_stack(stack), tempfile.TemporaryDirectory() as folder:
        events = Path(folder) / "events"
        ready(stack, progress)
        log = events if "monitoring" in stack.settings else None
        options = ["--refresh"] if refresh else refresh_option(stack)
        code = engine.operate(stack, "up", ["--yes", "--skip-preview", *options], log, force=refresh)
        if code:
            explain(stack)
            return code
        cluster_memory.remember(stack)
        if events.exists():
            # The models serve, so this is no failure of the update.
            _tell_who_looks_away(Kube(stack), stack, capacity.planned(events), "warning")
        return 0 if predict(stack, None) else 1


def preview(stack: Stack, progress: Progress) -> int:
    """Show what ``up`` would change. Returns the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder) / "events"
        with lock.of_stack(stack):
            ready(stack, progress)
            code = engine.operate(stack, "preview", refresh_option(stack), events)
        return code if code or stack.docker else _compare_with_the_cluster(stack, events)


def refresh_option(stack: Stack) -> list[str]:
    """The option that makes Pulumi look for what its state has, where the local cluster has lost it."""
    if not cluster_memory.changed(stack):
        return []
    out.print("the local cluster is a new one: what the state has of the one before is looked for, and made again")
    return ["--refresh"]


def _compare_with_the_cluster(stack: Stack, events: Path) -> int:
    """Hold a plan against the cluster, and say when nothing is known of it. Returns the exit code."""
    # The Kubernetes provider plans from the recorded state alone, and says nothing, when no cluster answers.
    try:
        kube = Kube(stack)
        kube.get("/version")
    except ToolchainError as error:
        why = error.why.splitlines()[0]
        err.print(f"warning: the cluster did not answer, so this preview saw no live state: {why}", markup=False)
        return 0
    if not events.exists():
        return 0
    planned = capacity.planned(events)
    overlooked = _tell_who_looks_away(kube, stack, planned, "error")
    return max(overlooked, _tell_what_does_not_fit(kube, stack, planned))


def _tell_who_looks_away(kube: Kube, stack: Stack, planned: list[dict[str, Any]], verdict: str) -> int:
    """Say what of the plan no Prometheus and no adapter of the cluster looks at. Returns the exit code."""
    try:
        troubles = list(selection.troubles(kube, planned, stack.name, stack.settings))
    except ToolchainError as error:
        why = error.why.splitlines()[0]
        err.print(f"warning: who selects the monitors is not known, {error.step} failed: {why}", markup=False)
        return 0
    for trouble in troubles:
        err.print(f"{verdict}: {trouble}", markup=False)
    return 1 if troubles else 0


def _tell_what_does_not_fit(kube: Kube, stack: Stack, planned: list[dict[str, Any]]) -> int:
    """Say what of the plan the cluster has no room for. Returns the exit code."""
    check = stack.settings.get("capacityCheck", "error")
    if check == "off":
        return 0
    try:
        lacking = list(_lacking(kube, stack, planned))
    except ToolchainError as error:
        why = error.why.splitlines()[0]
        err.print(f"warning: free capacity is not known, {error.step} failed: {why}", markup=False)
        return 0
    if not lacking:
        return 0
    verdict = "warning" if check == "warn" else "error"
    for line in lacking:
        err.print(f"{verdict}: {line}", markup=False)
    err.print(
        "Add a node, lower replicas or resources.requests, or let models.<name>.rollout.maxSurge be 0. Where nodes are "
        "added as pods wait for them: capacityCheck: warn",
        markup=False,
    )
    return 0 if check == "warn" else 1


def _lacking(kube: Kube, stack: Stack, planned: list[dict[str, Any]]) -> Iterator[str]:
    """A line for the cluster, and one for each node pool that others made, where the plan has no room now."""
    places = {"the cluster": (capacity.ANYWHERE, 0)}
    for name, (labels, most) in stack.existing_pools.items():
        places[f"node pool {name}"] = capacity.place_of(planned, labels), most
    live = capacity.live(kube)
    for what, (place, most) in places.items():
        nodes = capacity.free(live, stack.name, stack.namespace, place)
        # One that may grow has more room than there is to be seen.
        if most <= len(nodes) and (short := capacity.shortage(capacity.demands(planned, place), nodes)):
            yield f"{what} has no room for this update now: {short}"


def destroy(stack: Stack, progress: Progress) -> int:
    """Delete what the stack has in its cluster. Returns the exit code."""
    with lock.of_stack(stack):
        ready(stack, progress)
        code = engine.operate(stack, "destroy", ["--yes", "--skip-preview"])
        if code == 0:
            cluster_memory.forget(stack)
        return code


def ready(stack: Stack, progress: Progress) -> None:
    """Start what a local stack needs, and make what Pulumi needs to run on it."""
    if stack.local:
        _start(stack, progress)
    engine.prepare(stack, progress)


def start(stack: Stack, progress: Progress, addons: Collection[str] = ()) -> None:
    """Get and start what a local stack needs, and these add-ons beside its own.

    Raises ToolchainError for a stack that is not local.
    """
    _refuse_remote(stack, "start")
    with lock.of_stack(stack):
        _start(stack, progress, addons)


@contextmanager
def started(stack: Stack, progress: Progress) -> Iterator[None]:
    """The local services for the block: those that run already, else started for it and stopped at its end."""
    ran_before = local.kubeconfig() is not None
    start(stack, progress)
    try:
        yield
    finally:
        if not ran_before:
            down(stack, progress)


def _start(stack: Stack, progress: Progress, addons: Collection[str] = ()) -> None:
    wanted = [*stack.addons, *addons]
    local.install(progress, wanted)
    services.start(stack, progress, wanted, _prometheus_of(stack))
    engine.prepare_backend()


def _prometheus_of(stack: Stack) -> str:
    """The namespace of the Prometheus that watches the stack; of another stack's, as far as that one tells."""
    monitoring = stack.monitoring
    if monitoring.get("mode") == "stack":
        try:
            monitoring = engine.outputs(stack, str(monitoring.get("stack"))).get("monitoring") or {}
        except ToolchainError:
            monitoring = {}  # the program says what is wrong with that stack
    return str(monitoring.get("namespace", "monitoring"))


def down(stack: Stack, progress: Progress) -> None:
    """Stop the local services. Raises ToolchainError for a stack that is not local."""
    _refuse_remote(stack, "stop")
    with lock.of_stack(stack):
        stopped = services.stop(progress)
    out.print(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running", markup=False)


def _refuse_remote(stack: Stack, what: str) -> None:
    if not stack.local:
        raise ToolchainError(
            f"{what} the services of stack {stack.name}",
            f"its cluster is {stack.settings.get('cluster')!r}, not local: nothing of it runs here",
            f"To delete what it deployed: make destroy STACK={stack.name}",
        )


def service_status() -> None:
    """Print the local services."""
    table = Table("service", "state", box=None, pad_edge=False)
    for name, state in services.running().items():
        table.add_row(name, state)
    out.print(table)


def status(stack: Stack) -> None:
    """Print the services of a local stack, the stack's outputs and its pods."""
    if stack.local:
        service_status()
    outputs = engine.outputs(stack) if engine.exists(stack) else {}
    if not outputs.get("models"):
        out.print(f"stack {stack.name}: nothing deployed", markup=False)
        return
    for name, model in outputs["models"].items():
        where = " ".join(model["urls"]) if stack.docker else model["url"]
        out.print(f"{name}: {where}  {model['image']}", markup=False)
    if stack.docker:
        return
    if stack.local and local.kubeconfig() is None:
        out.print("the cluster does not run: make up", markup=False)
        return
    table = Table("pod", "model", "phase", "ready", "restarts", box=None, pad_edge=False)
    pods = Kube(stack).pods(outputs["namespace"])
    for pod in pods:
        table.add_row(pod.name, pod.model, pod.phase, "yes" if pod.ready else "no", str(pod.restarts))
    out.print(table)
    _print_troubles(pods, only_unready=True)


def explain(stack: Stack) -> None:
    """After a failed update: print why the models' containers do not run, as far as the cluster tells."""
    if stack.docker:
        return  # the error itself has the end of a container's log
    try:
        pods = Kube(stack).pods(stack.namespace)
    except ToolchainError as error:
        err.print(f"The pods could not be asked for the reason: {error.step}: {error.why}", markup=False)
        return
    _print_troubles(pods, only_unready=True)


def _print_troubles(pods: list[Pod], *, only_unready: bool) -> None:
    for pod in pods:
        if pod.troubles and not (only_unready and pod.ready):
            err.print(f"pod {pod.name} ({pod.model}):", style="bold", markup=False)
            for trouble in pod.troubles:
                err.print(textwrap.indent(trouble, "  "), markup=False)


def shell_environment(stack: Stack) -> str:
    """Lines for a shell's ``eval``, and how to name the stack and its configuration by hand."""
    copy = stack_config.refresh(stack)
    lines = [engine.exports(engine.environment(stack))] if stack.local else []
    lines.append(f"# pulumi --stack {stack.name} --config-file {copy}, for up, preview, destroy and config")
    return "\n".join(line for line in lines if line)
