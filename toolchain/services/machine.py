"""Where add-ons run."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from toolchain.cluster import health, ports, processes
from toolchain.cluster.files import read_json, write_json
from toolchain.errors import ToolchainError
from toolchain.services.service import ensure, table

if TYPE_CHECKING:
    from toolchain.services.api import Api

_READY_SECONDS = 60.0


@dataclass(frozen=True)
class Machine:
    """Where the add-ons run: the data folder, the programs, and the cluster they serve."""

    data: Path
    tools: Path
    kubeconfig: Path
    registry: str = ""
    """``host:port`` of the local registry that the cluster pulls from, empty where it has none."""
    prometheus: str = "monitoring"
    """The namespace of the Prometheus that knows the load of the stack's models."""

    @property
    def folder(self) -> Path:
        return table(self.data).parent

    def alive(self, process: str) -> bool:
        record = processes.load(table(self.data)).get(process)
        return record is not None and record.alive

    def api(self) -> "Api":
        """The cluster's API server."""
        from toolchain.services.api import Api  # slow to import: only where an add-on is asked for

        return Api(self.kubeconfig)

    def port(self, process: str, use: str = "") -> int:
        """A port for a process, the same one at every start as long as it is free."""
        file, name = self.folder / "addon-ports.json", f"{process}{use}"
        chosen: dict[str, int] = read_json(file, {})
        if name not in chosen or not (self.alive(process) or ports.is_free(chosen[name])):
            chosen[name] = ports.any_free(chosen.values())
            write_json(file, chosen)
        return chosen[name]

    def run(
        self,
        process: str,
        arguments: list[str],
        url: str,
        environment: dict[str, str] | None = None,
        configuration: str = "",
    ) -> None:
        """Start the process unless it runs, and wait until ``url`` answers."""
        ensure(
            self.data,
            process,
            [self.tools / process, *arguments],
            lambda: health.healthy(url),
            tools=self.tools,
            configuration=configuration,
            # The proxies of the environment are for the internet, and all that these ask is on this machine.
            environment={"NO_PROXY": "*", "no_proxy": "*", **(environment or {})},
            seconds=_READY_SECONDS,
        )


def wait(machine: Machine, name: str, condition: Callable[[], bool], *, process: bool = True) -> None:
    """Wait until the API server has taken what a process needs in it.

    Raises ToolchainError when it does not; with ``process`` the error names its log.
    """
    if not processes.wait_until(condition, _READY_SECONDS):
        where = f"Its log is {machine.folder / name}.log." if process else ""
        raise ToolchainError(f"start {name}", f"the API server did not take it within {_READY_SECONDS:.0f} s", where)
