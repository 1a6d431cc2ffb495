"""What `monitoring` installs: a stack of typed resources, or a chart."""

from components.config.monitoring_types import ImageRegistry, Retention
from components.config.pool_types import ArchiveDigest, ChartRepository, ChartVersion
from components.config.sections.base import Section
from components.config.sections.network import PeerConfig
from components.config.types import ImageRef, MemoryQuantity, Replicas, Switch


class MonitoringImagesConfig(Section):
    """Images by digest, of the versions that are pinned, in place of their tags."""

    prometheus: ImageRef | None = None
    alertmanager: ImageRef | None = None
    grafana: ImageRef | None = None
    dashboards: ImageRef | None = None
    state_metrics: ImageRef | None = None
    node_exporter: ImageRef | None = None
    dcgm_exporter: ImageRef | None = None


class InstallConfig(Section):
    """Prometheus, Alertmanager, Grafana and exporters, for the Prometheus Operator of the cluster to run.

    `imageRegistry` is a mirror that has the projects' images under their own paths. `retention` is the longest window
    of an objective, or more. Without `storage`, what was measured is lost with the pod. `nodeExporter` needs the host's
    files, and a namespace of its own for that.
    """

    image_registry: ImageRegistry | None = None
    images: MonitoringImagesConfig = MonitoringImagesConfig()
    replicas: Replicas = 1
    retention: Retention = "30d"
    storage: MemoryQuantity | None = None
    grafana: Switch = True
    state_metrics: Switch = True
    node_exporter: Switch = True
    allow_from: tuple[PeerConfig, ...] = ()


class ChartConfig(Section):
    """The chart kube-prometheus-stack, with the operator in it: for a cluster that has none.

    `digest` is needed: the program does not know it.
    """

    version: ChartVersion | None = None
    repository: ChartRepository | None = None
    digest: ArchiveDigest | None = None
