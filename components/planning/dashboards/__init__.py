"""Grafana dashboards of a stack, from its configuration: one for all models, one for each, one for the GPUs.

Only a stack that is watched imports this, since a preview waits for every import.
"""

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from components.planning.dashboards.fleet import fleet_dashboard
from components.planning.dashboards.gpu import gpu_dashboard
from components.planning.dashboards.model import model_dashboard

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders.dashboard import Dashboard

    from components.config import StackConfig

# Of an annotation, the SDK knows the expression only; these are the names of Grafana's Prometheus data source.
_ROLLOUT = {"titleFormat": "Rollout", "textFormat": "{{digest}}", "step": "60s"}


@dataclass(frozen=True, kw_only=True)
class PlannedDashboard:
    """A dashboard as Grafana reads it.

    Attributes:
        name: of the resource, unique in the stack.
        file: under which Grafana's sidecar keeps it, in one folder with those of all stacks of a cluster.
    """

    name: str
    file: str
    document: dict[str, Any]

    @property
    def text(self) -> str:
        """The file's content, the same for the same configuration."""
        return json.dumps(self.document, sort_keys=True, separators=(",", ":"))

    def queries(self, rate_interval: str, chosen: str = ".*") -> dict[str, list[str]]:
        """Every PromQL expression, by the title of its panel, with Grafana's variables as they are at first.

        Args:
            rate_interval: what Grafana would make of `$__rate_interval`.
            chosen: the value of each variable that people choose.
        """
        found = {
            panel["title"]: [target["expr"] for target in panel.get("targets", ())]
            for panel in self.document["panels"]
            if panel["type"] != "row"
        }
        for annotation in self.document.get("annotations", {}).get("list", ()):
            found[f"annotation {annotation['name']}"] = [annotation["expr"]]
        for variable in self.document["templating"]["list"]:
            if variable["type"] == "query":
                found[f"variable {variable['name']}"] = [_series(variable["query"])]
        return {title: [_resolved(each, rate_interval, chosen) for each in found] for title, found in found.items()}


def dashboards(config: "StackConfig") -> tuple[PlannedDashboard, ...]:
    """All dashboards of a stack, the overview first."""
    found = [_planned("models", config, fleet_dashboard(config))]
    found += [
        _planned(f"model-{model.served_name(name)}", config, model_dashboard(name, config))
        for name, model in config.models.items()
    ]
    if any(model.gpus for model in config.models.values()) or config.node_pools:
        found.append(_planned("gpus", config, gpu_dashboard(config)))
    return tuple(found)


def _planned(name: str, config: "StackConfig", builder: "Dashboard") -> PlannedDashboard:
    dashboard = builder.refresh("30s")
    # A panel has as many points as there are samples, at most.
    document = json.loads(json.dumps(dashboard.build(), cls=JSONEncoder))
    for number, panel in enumerate(document["panels"], start=1):
        panel["id"] = number
        if panel["type"] != "row":
            panel["interval"] = config.monitoring.scrape_interval
    for annotation in document.get("annotations", {}).get("list", ()):
        annotation.update(_ROLLOUT)
    return PlannedDashboard(name=name, file=f"model-serving-{config.namespace}-{name}.json", document=document)


def _series(query: str) -> str:
    """The metric of `label_values(metric, label)`, whose values Grafana offers."""
    return query.removeprefix("label_values(").rpartition(",")[0]


def _resolved(expression: str, rate_interval: str, chosen: str) -> str:
    return re.sub(r"\$[a-z]\w*", chosen, expression.replace("$__rate_interval", rate_interval))
