"""Who watches the models: an operator that is there, or a stack that is installed."""

from typing import Literal

from components.config.monitoring_types import RunbookUrl, ScrapeInterval
from components.config.pool_types import LabelKey, LabelValue
from components.config.sections.base import Section
from components.config.sections.monitoring_stack import ChartConfig, InstallConfig
from components.config.types import NamespaceName


class MonitoringConfig(Section):
    """`existing`: objects for the Prometheus Operator of the cluster, with the `labels` by which it selects them.

    `namespace` is where Prometheus runs: the network policies let it read the models' metrics.
    """

    mode: Literal["off", "existing", "install", "chart"] = "off"
    labels: dict[LabelKey, LabelValue] = {}
    namespace: NamespaceName = "monitoring"
    scrape_interval: ScrapeInterval = "30s"
    runbook_url: RunbookUrl | None = None
    install: InstallConfig = InstallConfig()
    chart: ChartConfig = ChartConfig()

    @property
    def on(self) -> bool:
        """Whether the models are scraped and have rules."""
        return self.mode != "off"

    @property
    def scrape_seconds(self) -> int:
        """Between two scrapes."""
        return int(self.scrape_interval.removesuffix("s"))
