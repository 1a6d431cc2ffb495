"""Getting the archives of charts, and holding them against their digests before anything changes."""

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path

from components import programs
from components.config import ChartConfig, ConfigError, Problem
from components.config.problems import Commands
from components.errors import UserError
from components.planning import charts


def fetch_charts(stack: str, configured: Mapping[str, ChartConfig]) -> None:
    """Have the archive of every chart where `planning.charts.archive` says, with the content that its digest says.

    What is there is not fetched again: a preview without new charts needs no network.

    Raises:
        ConfigError: an archive has another digest.
        UserError: Helm is missing, or cannot get a chart.
    """
    problems = [
        problem
        for name, chart in configured.items()
        if not _is(charts.archive(chart.digest), chart.digest)
        if (problem := _fetch(name, chart, Commands(stack))) is not None
    ]
    if problems:
        raise ConfigError(stack, problems)


def _fetch(name: str, chart: ChartConfig, commands: Commands) -> Problem | None:
    target = charts.archive(chart.digest)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".") as folder:
        _pull(name, chart, Path(folder))
        [archive] = Path(folder).glob("*.tgz")
        if (found := _digest(archive)) != chart.digest:
            path = ("charts", name, "digest")
            return Problem(
                path=path,
                message=f"{chart.chart} {chart.version} has another content than this digest: it is {found}; "
                "either the digest is of another version, or somebody changed the chart",
                fix=f"look at the chart, and if it is what you want: {commands.set(path, found)}",
            )
        archive.replace(target)
    return None


def _pull(name: str, chart: ChartConfig, folder: Path) -> None:
    where = f"model-serving:charts.{name}"
    helm = programs.find("helm", where, "a chart is fetched", "install Helm 3: https://helm.sh/docs/intro/install/")
    try:
        programs.run([helm, *charts.pull_command(chart, folder)])
    except programs.ProgramFailed as error:
        raise UserError(
            f"{where}: {chart.chart} {chart.version} cannot be fetched: {str(error).removeprefix('Error: ')} -> check "
            "its name and version, and log in where it is private: helm registry login, or helm repo add with "
            "credentials"
        ) from None


def _is(archive: Path, digest: str) -> bool:
    return archive.is_file() and _digest(archive) == digest


def _digest(archive: Path) -> str:
    with archive.open("rb") as content:
        return f"sha256:{hashlib.file_digest(content, 'sha256').hexdigest()}"
