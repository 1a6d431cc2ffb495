"""Where the archives of charts are kept, and the namespaces that charts need."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from components.config import ChartConfig

# Beside the build contexts; no model's name starts with a dot.
_ARCHIVES = Path(".build/.charts")


def archive(digest: str) -> Path:
    """The archive of the chart with this digest, relative to the project, so that it is the same on every machine."""
    return _ARCHIVES / f"{digest.removeprefix('sha256:')}.tgz"


def namespaces(charts: "Mapping[str, ChartConfig]", own: str) -> dict[str, str]:
    """The namespaces beside the stack's `own` that charts are installed in, with their level of Pod Security.

    Where charts share one, it has the lowest of their levels: it admits what any of them needs.
    """
    order = ("restricted", "baseline", "privileged")
    levels: dict[str, str] = {}
    for chart in charts.values():
        before = levels.get(chart.namespace, "restricted")
        levels[chart.namespace] = max(before, chart.pod_security, key=order.index)
    levels.pop(own, None)
    return dict(sorted(levels.items()))


def pull_command(chart: "ChartConfig", folder: Path) -> list[str]:
    """Helm's arguments to get a chart's archive into `folder`."""
    arguments = ["pull", chart.chart, f"--version={chart.version}", f"--destination={folder}"]
    if chart.repository is not None:
        arguments.append(f"--repo={chart.repository}")
    host = chart.chart.removeprefix("oci://").partition("/")[0].partition(":")[0]
    if chart.repository is None and host in ("localhost", "127.0.0.1"):
        arguments.append("--plain-http")  # as Docker treats registries of the machine itself
    return arguments
