"""Starting, stopping and looking at the cluster."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from toolchain.cluster import (
    binaries,
    bootstrap,
    certificates,
    cgroups,
    configuration,
    coredns,
    health,
    images,
    mounts,
    network,
    ownership,
    ports,
    processes,
    teardown,
)
from toolchain.cluster.command import run
from toolchain.cluster.components import Component, components, environment
from toolchain.cluster.errors import ClusterError
from toolchain.cluster.layout import Layout

Progress = Callable[[str], None]

_COMPONENT_SECONDS = 90.0
_WORKLOAD_SECONDS = 90.0


@dataclass(frozen=True)
class ClusterInfo:
    """A running cluster."""

    kubeconfig: Path
    """The user's kubeconfig: admin rights, readable by its owner only, current context ``model-serving``."""


@dataclass(frozen=True)
class ClusterStatus:
    """What is there of a cluster now."""

    state: Literal["running", "degraded", "stopped"]
    kubeconfig: Path | None
    """Set while the API server runs."""
    processes: dict[str, int | None] = field(default_factory=dict)
    """Pid of each recorded component, None when it is dead."""
    problems: tuple[str, ...] = ()
    """What is wrong when degraded, a line each."""


def start(data: Path, tools: Path, registry: str, progress: Progress) -> ClusterInfo:
    """Bring the cluster of the folder ``data`` up: node ready, DNS answering. What already runs well stays.

    ``tools`` is looked for programs before PATH. ``registry`` ("localhost:5001") is the registry that nodes pull from
    over plain HTTP. ``progress`` is called with one line for each step.

    Raises ClusterError: no root, missing programs, another cluster on this machine, or a component that fails, with
    the end of its log. What started until then keeps running; another start goes on from there.
    """
    _require_root("start")
    layout = Layout.of(data)
    with ownership.one_command(progress):
        if lacking := binaries.missing(tools):
            raise ClusterError("the local cluster cannot start, these are missing:\n  " + "\n  ".join(lacking))
        if abandoned := ownership.claim(layout):
            progress(f"clearing what a cluster of {abandoned.data.parent} left behind")
            teardown.clear(abandoned)
        _Start(layout, tools, registry, progress).run()
    return ClusterInfo(kubeconfig=layout.kubeconfig)


def stop(data: Path, progress: Progress, wipe: bool = False) -> None:
    """Stop the cluster of ``data`` and remove all it set up on the machine; harmless when nothing runs.

    The data folder keeps etcd, images and certificates for the next start, unless ``wipe``.
    """
    _require_root("stop")
    layout = Layout.of(data)
    with ownership.one_command(progress):
        teardown.stop(layout, progress)
        ownership.release(layout)
        if wipe:
            progress("deleting the cluster's data")
            mounts.remove(layout.data)


def status(data: Path) -> ClusterStatus:
    """What runs of the cluster of ``data``, and what is wrong with it. Changes nothing."""
    layout = Layout.of(data)
    records = processes.load(layout.processes)
    pids = {name: record.pid if record.alive else None for name, record in records.items()}
    if not any(pids.values()):
        return ClusterStatus(state="stopped", kubeconfig=None, processes=pids)
    problems = [f"{name} is dead, see {layout.log(name)}" for name, pid in pids.items() if pid is None]
    # A pod that was ready is not for a moment when the kubelet comes back.
    if not problems and not processes.wait_until(health.dns_answers, 2.0):
        problems.append("the cluster's DNS does not answer")
    return ClusterStatus(
        state="degraded" if problems else "running",
        kubeconfig=layout.kubeconfig if pids.get("kube-apiserver") else None,
        processes=pids,
        problems=tuple(problems),
    )


def _require_root(what: str) -> None:
    if os.geteuid() != 0:
        raise ClusterError(
            f"the local cluster cannot {what}: it needs root, for containers, mounts and network rules. Run the "
            "command as root, or name the context of a cluster of yours in the stack's configuration"
        )


class _Start:
    """One run of start: the steps share the layout, the programs and the ports."""

    def __init__(self, layout: Layout, tools: Path, registry: str, progress: Progress) -> None:
        self.layout = layout
        self.tools = tools
        self.registry = registry
        self.progress = progress
        self.cancelled = False

    def run(self) -> None:
        layout = self.layout
        mounts.set_up(layout)
        living = {name for name, record in processes.load(layout.processes).items() if record.alive}
        chosen = ports.choose(layout.ports, living)
        certificates.ensure(layout, self.tools, chosen.apiserver)
        programs = {
            "pause": binaries.pause(self.tools, layout.home / "pause"),
            "coredns": binaries.find("coredns", self.tools),
        }
        image = images.reference(programs)
        configuration.write_all(layout, self.tools, chosen, self.registry, image)
        network.set_up(layout)
        cgroups.create()
        self.components = components(layout, self.tools, chosen)
        self.apiserver_port = chosen.apiserver
        with ThreadPoolExecutor(max_workers=2) as pool:
            runtime = pool.submit(self._runtime, image, programs)
            control_plane = pool.submit(self._up, "etcd", "kube-apiserver")
            try:
                for step in (runtime, control_plane):
                    step.result()
            except BaseException:
                self.cancelled = True  # or leaving this block would wait for the other one
                raise
        self._up("kubelet", "kube-controller-manager", "kube-scheduler", "kube-proxy", together=True)
        self._workloads(image)

    def _runtime(self, image: str, programs: dict[str, Path]) -> None:
        """containerd, with the image it needs for every pod."""
        self._up("containerd")
        ctr = [str(binaries.find("ctr", self.tools)), "--address", str(self.layout.containerd_socket), "-n", "k8s.io"]
        if image in run([*ctr, "images", "list", "-q"], what="images").split():
            return
        archive = self.layout.home / "node-image.tar"
        images.write_archive(archive, image, programs)
        run([*ctr, "images", "import", str(archive)], what="images")
        # containerd 1.7 and later keep garbage collection off an image with this label.
        run([*ctr, "images", "label", image, "io.cri-containerd.pinned=pinned"], what="images")
        archive.unlink()

    def _up(self, *names: str, together: bool = False) -> None:
        """Start the components that do not run as they should, and wait until they are healthy.

        One after the other, each when the one before it is healthy, or all at once.
        """
        if together:
            for name in names:
                self._launch(self.components[name])
        for name in names:
            component = self.components[name]
            if not together:
                self._launch(component)
            if not processes.wait_until(lambda one=component: self._healthy(one), _COMPONENT_SECONDS):
                raise self._failed(component, f"is not healthy after {_COMPONENT_SECONDS:.0f} s ({component.health})")

    def _launch(self, component: Component) -> None:
        table, fingerprint = self.layout.processes, component.fingerprint()
        record = processes.load(table).get(component.name)
        if record is not None and record.alive:
            if record.fingerprint == fingerprint:
                return
            self.progress(f"restarting {component.name}: its program or configuration changed")
            processes.terminate([record], component.stop_seconds)
        else:
            self.progress(f"starting {component.name}")
        processes.spawn(
            table,
            component.name,
            component.argv,
            environment(self.tools, component.name),
            self.layout.log(component.name),
            fingerprint,
        )

    def _healthy(self, component: Component) -> bool:
        if self.cancelled:
            raise ClusterError(f"{component.name}: no longer waited for")
        if not processes.load(self.layout.processes)[component.name].alive:
            raise self._failed(component, "ended by itself")
        return health.healthy(component.health)

    def _failed(self, component: Component, why: str) -> ClusterError:
        log = self.layout.log(component.name)
        return ClusterError(
            f"{component.name} {why}. The end of its log {log}:\n{processes.tail(log)}\n"
            "What runs was left running: start again to retry, or stop to clear everything"
        )

    def _workloads(self, image: str) -> None:
        """CoreDNS applied, node ready, names resolved."""
        from lightkube.core.exceptions import ApiError  # slow to import: only here

        from toolchain.cluster import kubeapi

        layout = self.layout
        client = kubeapi.connect(layout.kubeconfig)
        resolv_conf = (layout.config / "resolv.conf").read_text()
        wanted = [*bootstrap.objects(self.apiserver_port), *coredns.objects(image, resolv_conf)]

        def applied() -> bool:
            try:
                kubeapi.apply(client, wanted)
            except ApiError as error:
                if error.status.code == 404:  # a new API server makes its namespaces after it is ready
                    return False
                raise ClusterError(f"CoreDNS: the API server refused it: {error.status.message}") from error
            return True

        since = processes.load(layout.processes)["kubelet"].spawned_at
        steps = (
            ("CoreDNS cannot be applied: no namespace kube-system", applied, "kube-apiserver"),
            ("the node is not ready", lambda: kubeapi.node_ready(client, since), "kubelet"),
            ("no pod is admitted", lambda: kubeapi.accepts_pods(client), "kube-controller-manager"),
            ("the cluster's DNS does not answer", health.dns_answers, "kubelet"),
        )
        self.progress("waiting for the node and its DNS")
        for complaint, condition, component in steps:
            if not processes.wait_until(condition, _WORKLOAD_SECONDS):
                raise self._failed(self.components[component], f"runs, but {complaint} after {_WORKLOAD_SECONDS:.0f} s")
