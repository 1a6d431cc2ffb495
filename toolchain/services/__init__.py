"""The services of a local stack: image registry, mirror of Docker Hub, image builder, cluster."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from toolchain import cluster, paths
from toolchain.cluster import ClusterInfo, processes
from toolchain.errors import ToolchainError
from toolchain.parts import catalog
from toolchain.parts.install import bin_folder
from toolchain.progress import Progress
from toolchain.services import builder, registry
from toolchain.services.service import table
from toolchain.stack import Stack


def start(stack: Stack, progress: Progress) -> None:
    """Start what is not running yet. Raises ToolchainError naming the service that did not start."""
    data, tools = paths.data(), bin_folder()
    host = stack.registry_host
    with progress.step("start the local services") as step:

        def note(text: str) -> None:
            step.note = text

        with ThreadPoolExecutor(max_workers=1) as pool:
            # The cluster takes longest; nothing of it is needed before the program runs.
            starting = pool.submit(_start_cluster, data, tools, host, note)
            mirrored = registry.start(host, data, tools)
            builder.start(data, tools, insecure=[host] if registry.is_loopback(host) else [], mirror=mirrored)
            starting.result()


def _start_cluster(data: Path, tools: Path, host: str, note: Callable[[str], None]) -> ClusterInfo:
    try:
        return cluster.start(data, tools, host, note)
    except cluster.ClusterError as error:
        raise ToolchainError("start the cluster", str(error)) from None


def stop(progress: Progress) -> list[str]:
    """Stop everything that ``start`` started, and nothing else. Returns the names of what was stopped."""
    data = paths.data()
    stopped: list[str] = []
    with progress.step("stop the local services") as step:

        def note(text: str) -> None:
            step.note = text

        if cluster.status(data).state != "stopped":
            stopped.append("cluster")
        try:
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
    """Each service by name and what it is doing: its pid and address, or why it is down."""
    data = paths.data()
    result = {
        name: f"running, pid {record.pid}" if record.alive else f"dead, see {table(data).parent / name}.log"
        for name, record in processes.load(table(data)).items()
    }
    status = cluster.status(data)
    result["cluster"] = status.state + "".join(f"\n  {problem}" for problem in status.problems)
    return result


__all__ = ["catalog", "running", "start", "stop"]
