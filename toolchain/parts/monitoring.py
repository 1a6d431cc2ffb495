"""What watches a stack of the local cluster: the Prometheus Operator, and what it and a stack run in pods.

The pods' images are the projects' own where their registry is reached; else they are made of these programs, under the
same names and versions (see services/monitoring.py).
"""

import functools
from collections.abc import Mapping

from toolchain import versions
from toolchain.parts.build import go_module
from toolchain.parts.debian_archive import DebianArchive
from toolchain.parts.download import Release
from toolchain.parts.model import Part

_GITHUB = "https://github.com"
_OPERATOR = "github.com/prometheus-operator/prometheus-operator"
# As files of the part, beside the program.
OPERATOR_DEFINITIONS = tuple(
    f"monitoring.coreos.com_{kind}.yaml"
    for kind in (
        "alertmanagerconfigs",
        "alertmanagers",
        "podmonitors",
        "probes",
        "prometheusagents",
        "prometheuses",
        "prometheusrules",
        "scrapeconfigs",
        "servicemonitors",
        "thanosrulers",
    )
)


@functools.cache
def prometheus_operator() -> Part:
    """Makes pods of Prometheus and Alertmanager resources. Its image of the reloader is of the same module."""
    built = go_module(
        "prometheus-operator",
        f"{_OPERATOR}/cmd/operator",
        f"{_OPERATOR}/cmd/prometheus-config-reloader",
        ldflags=f"-X github.com/prometheus/common/version.Version={versions.PROMETHEUS_OPERATOR}",
        rename=("operator", "prometheus-operator"),
        extra=tuple((_OPERATOR, f"example/prometheus-operator-crd/{name}") for name in OPERATOR_DEFINITIONS),
    )
    return Part(
        name="Prometheus Operator",
        version=versions.PROMETHEUS_OPERATOR,
        executables=("prometheus-operator", "prometheus-config-reloader"),
        sources=(built,),
        key=built.key,
    )


@functools.cache
def prometheus() -> Part:
    """The metrics' database, and promtool, which checks and tests rules."""
    programs = {"prometheus": "usr/bin/prometheus", "promtool": "usr/bin/promtool"}
    return _of_debian("prometheus", versions.PROMETHEUS, programs, beside=("promtool",))


@functools.cache
def alertmanager() -> Part:
    """What tells people of alerts, and amtool, which checks whom."""
    programs = {"alertmanager": "usr/bin/prometheus-alertmanager", "amtool": "usr/bin/amtool"}
    return _of_debian("alertmanager", versions.ALERTMANAGER, programs, package="prometheus-alertmanager")


@functools.cache
def node_exporter() -> Part:
    """Metrics of machines."""
    programs = {"node_exporter": "usr/bin/prometheus-node-exporter"}
    return _of_debian("node_exporter", versions.NODE_EXPORTER, programs, package="prometheus-node-exporter")


@functools.cache
def kube_state_metrics() -> Part:
    """Metrics of the API server's objects."""
    built = go_module(
        "kube-state-metrics",
        "k8s.io/kube-state-metrics/v2",
        ldflags=f"-X github.com/prometheus/common/version.Version={versions.KUBE_STATE_METRICS}",
    )
    return Part(
        name="kube-state-metrics",
        version=versions.KUBE_STATE_METRICS,
        executables=("kube-state-metrics",),
        sources=(built,),
        key=built.key,
    )


@functools.cache
def prometheus_adapter() -> Part:
    """Answers an autoscaler's questions with what Prometheus knows."""
    built = go_module(
        "prometheus-adapter", "sigs.k8s.io/prometheus-adapter/cmd/adapter", rename=("adapter", "prometheus-adapter")
    )
    return Part(
        name="Prometheus adapter",
        version=versions.PROMETHEUS_ADAPTER,
        executables=("prometheus-adapter",),
        sources=(built,),
        key=built.key,
    )


def _of_debian(
    name: str, version: str, programs: Mapping[str, str], package: str = "", beside: tuple[str, ...] = ()
) -> Part:
    archive = DebianArchive(versions.MONITORING_SUITE, package or name, version, programs, beside)
    release = f"{_GITHUB}/prometheus/{name}/releases/download/v{version}"
    return Part(
        name=name,
        version=version,
        executables=tuple(programs),
        sources=(
            Release(
                url=f"{release}/{name}-{version}.{{os}}-{{arch}}.tar.gz",
                checksums=f"{release}/sha256sums.txt",
                programs=tuple(programs),
                members=f"{name}-{version}.{{os}}-{{arch}}/",
                systems=("linux", "darwin"),
            ),
            archive,
        ),
        key=archive.key,
    )
