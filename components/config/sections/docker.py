"""What a stack has beside its models where Docker runs them: for `cluster: docker` and `make compose`."""

from components.config.monitoring_types import ScrapeInterval
from components.config.sections.base import Section
from components.config.types import ImageRef, MemoryQuantity


class LocalDatabaseConfig(Section):
    """A PostgreSQL for the databases that the models name, under the host that they name, empty at first.

    Its image is Docker Hub's official one, or takes the same variables.
    """

    image: ImageRef
    memory: MemoryQuantity = "512Mi"


class LocalPrometheusConfig(Section):
    """A Prometheus that reads what every model measures, under the host `prometheus`. It keeps it in memory.

    Its image is the project's own, or has `/bin/prometheus` and `/bin/promtool` as that has. Half of `memory` is for
    what was measured.
    """

    image: ImageRef
    memory: MemoryQuantity = "512Mi"
    scrape_interval: ScrapeInterval = "15s"


class DockerConfig(Section):
    """Services beside the models. A cluster's are its own, so elsewhere this says nothing."""

    database: LocalDatabaseConfig | None = None
    prometheus: LocalPrometheusConfig | None = None
