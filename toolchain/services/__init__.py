"""The services of a local stack: image registry, mirror of Docker Hub, image builder, cluster."""

import os
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor

from toolchain import cluster, local, paths
from toolchain.cluster import kind, processes
from toolchain.errors import ToolchainError
from toolchain.parts.install import bin_folder
from toolchain.progress import Progress
from toolchain.services import addons, builder, log_collector, registry
from toolchain.services.service import table
from toolchain.stack import Stack

Note = Callable[[str], None]


def start(stack: Stack, progress: Progress, wanted: Collection[str], prometheus: str) -> None:
    """Start what is not running yet, and the add-ons that are ``wanted``.

    ``prometheus`` is the namespace of the one that knows the load of the stack's models.
    Raises ToolchainError naming the service that did not start.
    """
    by_hand = ""
    with progress.step("start the local services") as step:

        def note(text: str) -> None:
            step.note = text

        try:
            if local.platform() == "docker":
                _start_in_docker(stack.registry_host, note)
                by_hand = addons.in_docker(wanted, _machine(stack.registry_host, prometheus), note)
            else:
                _start_processes(stack.registry_host, note)
                addons.start(wanted, _machine(stack.registry_host, prometheus), note)
                if log_collector.NAME in wanted:
                    note("putting the log collector's image into the registry")
                    log_collector.provide(paths.data(), registry.mirror(paths.data()))
        except cluster.ClusterError as error:
            raise ToolchainError("start the cluster", str(error)) from None
    if by_hand:
        progress.say(by_hand)


def _machine(host: str, prometheus: str) -> addons.Machine:
    kubeconfig = local.kubeconfig()
    assert kubeconfig is not None  # the cluster was started
    local_host = host if registry.is_loopback(host) else ""
    return addons.Machine(paths.data(), bin_folder(), kubeconfig, local_host, prometheus)


def _start_processes(host: str, note: Note) -> None:
    data, tools = paths.data(), bin_folder()
    registry.check(host, data)  # before anything starts
    local_host = host if registry.is_loopback(host) else ""
    with ThreadPoolExecutor(max_workers=1) as pool:
        # The cluster takes longest, and it needs the registry only when the first pod starts.
        starting = pool.submit(cluster.start, data, tools, local_host, note)
        mirror = registry.start(host, data, tools)
        builder.start(data, tools, insecure=registry.plain_http(host, data), mirror=mirror)
        starting.result()


def _start_in_docker(host: str, note: Note) -> None:
    # What runs Docker finds the programs by name, kind among them.
    os.environ["PATH"] = os.pathsep.join([str(bin_folder()), os.environ.get("PATH", "")])
    local_host = host if registry.is_loopback(host) else ""
    kind.start(paths.data(), local_host, note)
    note("starting the image builder")
    builder.start_in_docker(paths.data(), bin_folder(), insecure=[local_host] if local_host else [])


def stop(progress: Progress) -> list[str]:
    """Stop everything that ``start`` started, and nothing else. Returns the names of what was stopped."""
    data = paths.data()
    with progress.step("stop the local services") as step:

        def note(text: str) -> None:
            step.note = text

        stopped = addons.stop(data)  # first: they would look for an API server that is gone
        try:
            if local.kind_kubeconfig().exists():
                os.environ["PATH"] = os.pathsep.join([str(bin_folder()), os.environ.get("PATH", "")])
                builder.stop_in_docker(data, bin_folder())
                kind.stop(data, note)
                processes.forget(table(data))
                return [*stopped, "image builder", "kind cluster", "registry"]
            stopped += [] if cluster.status(data).state == "stopped" else ["cluster"]
            cluster.stop(data, note)
        except cluster.ClusterError as error:
            raise ToolchainError("stop the cluster", str(error)) from None
        records = processes.load(table(data))
        stopped += [name for name, record in records.items() if record.alive]
        processes.terminate(records.values(), grace_seconds=10)
        processes.forget(table(data))
        builder.forget(data)
    return stopped


def running() -> dict[str, str]:
    """Each service by name and what it is doing: its pid, or why it is down."""
    data = paths.data()
    result = {
        name: f"running, pid {record.pid}" if record.alive else f"dead, see {table(data).parent / name}.log"
        for name, record in processes.load(table(data)).items()
    }
    status = kind.status(data) if local.kind_kubeconfig().exists() else cluster.status(data)
    result["cluster"] = status.state + "".join(f"\n  {problem}" for problem in status.problems)
    return result
