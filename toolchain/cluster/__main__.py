"""The cluster by hand: python -m toolchain.cluster start|stop|status --data DIR."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from toolchain.cluster import ClusterError, start, status, stop

app = typer.Typer(add_completion=False, help="The local single-node Kubernetes.", no_args_is_help=True)
Data = Annotated[Path, typer.Option(help="Folder that keeps the cluster's data.")]


class _Clock:
    """Prints each step with the seconds since the command began."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self, step: str) -> None:
        typer.echo(f"{time.monotonic() - self._began:6.1f} s  {step}", err=True)


@app.command("start")
def start_command(
    data: Data,
    tools: Annotated[Path, typer.Option(help="Folder with the programs; PATH comes after it.")],
    registry: Annotated[str, typer.Option(help="Registry that the node pulls from over HTTP.")] = "localhost:5001",
) -> None:
    """Start it, or what is missing of it, and print the kubeconfig's path."""
    clock = _Clock()
    info = start(data, tools, registry, clock)
    clock("ready")
    typer.echo(info.kubeconfig)


@app.command("stop")
def stop_command(
    data: Data, wipe: Annotated[bool, typer.Option(help="Delete its data as well: objects, images, keys.")] = False
) -> None:
    """Stop it and remove everything it set up on the machine."""
    clock = _Clock()
    stop(data, clock, wipe=wipe)
    clock("stopped")


@app.command("status")
def status_command(data: Data) -> None:
    """Print what runs of it; the exit code is 0 when it is running."""
    found = status(data)
    typer.echo(found.state)
    for name, pid in found.processes.items():
        typer.echo(f"  {name:24} {pid or 'dead'}")
    for problem in found.problems:
        typer.echo(f"  {problem}")
    raise typer.Exit(0 if found.state == "running" else 1)


if __name__ == "__main__":
    try:
        app()
    except ClusterError as error:
        sys.exit(f"error: {error}")
