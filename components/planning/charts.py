"""Where charts come from, where their archives are kept, and the namespaces that they need."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from components.config import ChartConfig

# Of the archives, beside the build contexts; no model's name starts with a dot.
FOLDER = Path(".build/.charts")


@dataclass(frozen=True, kw_only=True)
class PinnedChart:
    """A chart of a repository, and the version that our values were checked against.

    `digest` is that of its archive, None where it could not be learned: then the stack has to say it.
    """

    name: str
    repository: str
    version: str
    digest: str | None = None

    def source(
        self, path: tuple[str, ...], version: str | None, repository: str | None, digest: str | None
    ) -> "ChartSource":
        """The chart as a stack wants it, in the section at `path`. A mirror has the same archive."""
        pinned = self.digest if version in (None, self.version) else None
        return ChartSource(
            path=path,
            chart=self.name,
            version=version or self.version,
            repository=repository or self.repository,
            digest=digest or pinned,
        )


@dataclass(frozen=True, kw_only=True)
class ChartSource:
    """Where the archive of a chart comes from, and what it must be.

    `path` is the section of the stack file with its digest, None where nobody has said one.
    """

    path: tuple[str, ...]
    chart: str
    version: str
    repository: str | None
    digest: str | None

    @property
    def archive(self) -> str:
        """The path of the archive, as a chart is named for Pulumi. Raises ValueError without a digest."""
        if self.digest is None:
            raise ValueError(f"{'.'.join(self.path)} has no digest: components/chart_archives.py says so before")
        return archive(self.digest).as_posix()


def archive(digest: str) -> Path:
    """The archive of the chart with this digest, relative to the project, so that it is the same on every machine."""
    return FOLDER / f"{digest.removeprefix('sha256:')}.tgz"


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


def pull_command(chart: ChartSource, folder: Path) -> list[str]:
    """Helm's arguments to get a chart's archive into `folder`."""
    arguments = ["pull", chart.chart, f"--version={chart.version}", f"--destination={folder}"]
    if chart.repository is not None:
        arguments.append(f"--repo={chart.repository}")
    host = chart.chart.removeprefix("oci://").partition("/")[0].partition(":")[0]
    if chart.repository is None and host in ("localhost", "127.0.0.1"):
        arguments.append("--plain-http")  # as Docker treats registries of the machine itself
    return arguments
