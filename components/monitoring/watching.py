"""Who watches a stack's models: what this stack, and others that use the same, need to know of it."""

from typing import Any

from pydantic import ValidationError

from components.config import MonitoringConfig
from components.config.monitoring_types import RunbookUrl, ScrapeInterval
from components.config.pool_types import LabelKey, LabelValue
from components.config.types import NamespaceName
from components.errors import UserError
from components.other_stack import told_by
from components.planning.monitoring_stack import alertmanager_url, prometheus_url
from components.planning.told import Told

_PATH = "model-serving:monitoring.stack"


class Watching(Told):
    """A Prometheus, as those know it whom it watches (the stack output `monitoring`).

    Attributes:
        namespace: where it runs.
        labels: by which it selects monitors and rules.
        scrape_interval: between two scrapes.
        runbook_url: the page that alerts link to; None where it is a file of this project.
        shared: whether it looks at the objects of other stacks too.
        prometheus, alertmanager: addresses in the cluster; None where the program does not know.
    """

    namespace: NamespaceName
    labels: dict[LabelKey, LabelValue] = {}
    scrape_interval: ScrapeInterval
    runbook_url: RunbookUrl | None = None
    shared: bool = False
    prometheus: str
    alertmanager: str | None = None

    def configured(self, config: MonitoringConfig) -> MonitoringConfig:
        """The section of a stack that is watched by this, as if its file said so itself."""
        known = {name: getattr(self, name) for name in ("namespace", "labels", "scrape_interval", "runbook_url")}
        return config.model_copy(update=known)


def watching(config: MonitoringConfig) -> Watching | None:
    """Who watches, by a stack's own configuration or by what the stack tells that it names; None if nobody does.

    Raises:
        UserError: that stack tells nothing, or keeps its monitoring to itself.
    """
    if not config.on:
        return None
    if config.stack is not None:
        return told_watching(config.stack, told_by(config.stack, "monitoring", "monitoring-stack"))
    own = config.mode in ("install", "chart")
    return Watching(
        namespace=config.namespace,
        labels=config.object_labels,
        scrape_interval=config.scrape_interval,
        runbook_url=config.runbook_url,
        # At whom the cluster's own looks is its operator's business, and a matter of labels.
        shared=config.shared if own else True,
        prometheus=prometheus_url(config.namespace),
        alertmanager=alertmanager_url(config.namespace) if own else None,
    )


def told_watching(stack: str, told: Any) -> Watching:
    """Who watches, in the output of another stack.

    Raises:
        UserError: nobody, or it is not understood, or not for others.
    """
    if not told:
        raise UserError(
            f"{_PATH}: stack {stack} has no output monitoring; allowed: a stack of this program whose monitoring.mode "
            "is not off -> bring that stack up first, or name another one"
        )
    try:
        found = Watching.model_validate(told)
    except ValidationError:
        raise UserError(
            f"{_PATH}: what stack {stack} tells of its monitoring is not understood "
            "-> bring both stacks up with the same version of this program"
        ) from None
    if not found.shared:
        raise UserError(
            f"{_PATH}: stack {stack} keeps its monitoring to itself; allowed: one with monitoring.shared "
            f"-> pulumi config set --path 'model-serving:monitoring.shared' true --stack {stack}, and bring it up"
        )
    return found
