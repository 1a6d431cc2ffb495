"""Getting the archives of charts, and holding them against their digests before anything changes."""

import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from components import programs
from components.config import ConfigError, Problem
from components.config.problems import Commands
from components.errors import UserError
from components.planning import charts
from components.planning.charts import ChartSource

if TYPE_CHECKING:
    from components.config import StackConfig


def fetch_charts(stack: str, config: "StackConfig") -> None:
    """Have the archive of every chart of the stack where `planning.charts.archive` says, as its digest says.

    What is there is not fetched again: a preview without new charts needs no network.

    Raises:
        ConfigError: an archive has another digest, or nobody has said which it must have.
        UserError: Helm is missing, or cannot get a chart.
    """
    problems = [
        problem
        for chart in sources(config)
        if chart.digest is None or not _is(charts.archive(chart.digest), chart.digest)
        if (problem := _fetch(chart, Commands(stack))) is not None
    ]
    if problems:
        raise ConfigError(stack, problems)


def sources(config: "StackConfig") -> Iterator[ChartSource]:
    """Every chart that the stack installs: its own, NVIDIA's, and that of monitoring."""
    for name, chart in config.charts.items():
        yield ChartSource(
            path=("charts", name),
            chart=chart.chart,
            version=chart.version,
            repository=chart.repository,
            digest=chart.digest,
        )
    # Imported where they are needed: every preview waits for the imports.
    if config.gpu_support is not None:
        from components.planning import gpu_support

        yield gpu_support.source(config.gpu_support)
    if config.monitoring.mode == "chart":
        from components.planning import monitoring_chart

        yield monitoring_chart.source(config.monitoring)


def _fetch(chart: ChartSource, commands: Commands) -> Problem | None:
    charts.FOLDER.mkdir(parents=True, exist_ok=True)
    # Beside where the archive will lie, to be moved there in one step.
    with tempfile.TemporaryDirectory(dir=charts.FOLDER, prefix=".") as folder:
        _pull(chart, Path(folder))
        [archive] = Path(folder).glob("*.tgz")
        found = _digest(archive)
        if found == chart.digest:
            archive.replace(charts.archive(found))
            return None
    path = (*chart.path, "digest")
    if chart.digest is None:
        where = chart.repository or chart.chart
        message = f"is needed: {chart.chart} {chart.version} has none that is known; what {where} has now is {found}"
    else:
        message = (
            f"{chart.chart} {chart.version} has another content than this digest: it is {found}; "
            "either the digest is of another version, or somebody changed the chart"
        )
    fix = f"look at the chart, and if it is what you want: {commands.set(path, found)}"
    return Problem(path=path, message=message, fix=fix)


def _pull(chart: ChartSource, folder: Path) -> None:
    where = f"model-serving:{'.'.join(chart.path)}"
    helm = programs.find("helm", where, "a chart is fetched", programs.INSTALL["helm"])
    try:
        programs.run([helm, *charts.pull_command(chart, folder)])
    except programs.ProgramFailed as error:
        said = str(error).removeprefix("Error: ")
        raise UserError(
            f"{where}: {chart.chart} {chart.version} cannot be fetched: {said} -> check its name and version, and "
            "log in where it is private: helm registry login, or helm repo add with credentials"
        ) from None


def _is(archive: Path, digest: str) -> bool:
    return archive.is_file() and _digest(archive) == digest


def _digest(archive: Path) -> str:
    with archive.open("rb") as content:
        return f"sha256:{hashlib.file_digest(content, 'sha256').hexdigest()}"
