"""Who watches the models: an operator that is there, a stack that is installed, or another stack's."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from components.config.monitoring_types import RunbookUrl, ScrapeInterval
from components.config.pool_types import LabelKey, LabelValue
from components.config.sections.base import Section
from components.config.sections.monitoring_stack import ChartConfig, InstallConfig
from components.config.types import NamespaceName, StackName, Switch
from components.planning.names import MONITORED_BY


class MonitoringConfig(Section):
    """`existing`: objects for the Prometheus Operator of the cluster, with the `labels` by which it selects them.

    `namespace` is where Prometheus runs: the network policies let it read the models' metrics. `install` and `chart`
    bring one along, which with `shared` watches other stacks too; those have mode `stack`, and all else from there.
    """

    mode: Literal["off", "existing", "install", "chart", "stack"] = "off"
    stack: Annotated[StackName | None, Field(validate_default=True)] = None
    shared: Switch = False
    labels: dict[LabelKey, LabelValue] = {}
    namespace: NamespaceName = "monitoring"
    scrape_interval: ScrapeInterval = "30s"
    runbook_url: RunbookUrl | None = None
    install: InstallConfig = InstallConfig()
    chart: ChartConfig = ChartConfig()

    @field_validator("stack")
    @classmethod
    def _needed(cls, value: str | None, info: ValidationInfo) -> str | None:
        mode = info.data.get("mode")
        if value is None and mode == "stack":
            raise PydanticCustomError("needed_by_mode", "is required and missing with mode {mode}", {"mode": mode})
        return value

    @property
    def on(self) -> bool:
        """Whether the models are scraped and have rules."""
        return self.mode != "off"

    @property
    def object_labels(self) -> dict[str, str]:
        """Of every monitor and rule: by these the Prometheus that is meant selects them."""
        return {**self.labels, **({MONITORED_BY: self.namespace} if self.shared else {})}

    @property
    def scrape_seconds(self) -> int:
        """Between two scrapes."""
        return int(self.scrape_interval.removesuffix("s"))
