"""Bringing the cluster up: what can start side by side does, and each step waits for what it needs only."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from toolchain import interruption
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
    ports,
    processes,
)
from toolchain.cluster.command import run
from toolchain.cluster.components import Component, components, environment
from toolchain.cluster.errors import ClusterError
from toolchain.cluster.layout import Layout

_COMPONENT_SECONDS = 90.0
_WORKLOAD_SECONDS = 90.0


class Startup:
    """One run of start: the steps share the layout, the programs and the ports."""

    def __init__(self, layout: Layout, tools: Path, registry: str, progress: Callable[[str], None]) -> None:
        self.layout = layout
        self.tools = tools
        self.registry = registry
        self.progress = progress
        self.cancelled = False

    def run(self) -> None:
        """Start what does not run as it should; return when the node is ready and its DNS answers."""
        layout = self.layout
        mounts.set_up(layout)
        living = {name for name, record in processes.load(layout.processes).items() if record.alive}
        self.ports = ports.choose(layout.ports, living)
        programs = {
            "pause": binaries.pause(self.tools, layout.home / "pause"),
            "coredns": binaries.find("coredns", self.tools),
        }
        image = images.reference(programs)
        configuration.write_all(layout, self.tools, self.ports, self.registry, image)
        self.components = components(layout, self.tools, self.ports)
        with ThreadPoolExecutor(max_workers=2) as pool:
            halves = [pool.submit(self._runtime, image, programs), pool.submit(self._control_plane)]
            try:
                for half in halves:
                    half.result()
            except BaseException:
                self.cancelled = True  # or leaving this block would wait for the other one
                raise
        self._up("kubelet", "kube-controller-manager", "kube-scheduler", "kube-proxy", together=True)
        self._workloads(image)

    def _control_plane(self) -> None:
        """The API server, and what it needs."""
        certificates.ensure(self.layout, self.tools, self.ports.apiserver)
        self._up("etcd", "kube-apiserver")

    def _runtime(self, image: str, programs: dict[str, Path]) -> None:
        """The host's network and control groups, and containerd with the image that every pod needs."""
        network.set_up(self.layout)
        cgroups.create()
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
        if self.cancelled or interruption.stopping.is_set():
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
        wanted = [*bootstrap.objects(self.ports.apiserver), *coredns.objects(image, resolv_conf)]

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
            reached = processes.wait_until(
                lambda one=condition: interruption.stopping.is_set() or one(), _WORKLOAD_SECONDS
            )
            if interruption.stopping.is_set():
                raise ClusterError("the node is no longer waited for")
            if not reached:
                raise self._failed(self.components[component], f"runs, but {complaint} after {_WORKLOAD_SECONDS:.0f} s")
