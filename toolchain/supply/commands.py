"""The commands about what the project depends on."""

from pathlib import Path
from typing import Annotated

import typer

from toolchain import stack as stacks
from toolchain.supply import audit as auditing
from toolchain.supply import scan as scanning
from toolchain.supply import update as updating


def audit(
    advisories: Annotated[
        str, typer.Option(help="Address of a service with OSV's interface, such as a mirror.")
    ] = auditing.SERVICE,
) -> None:
    """Hold every pinned Python package against the published advisories. Ends with 1 if there are findings."""
    raise typer.Exit(auditing.audit(advisories))


def update(
    what: Annotated[
        list[str] | None,
        typer.Argument(help="requirements, modules, charts, actions, or paths; without it, everything."),
    ] = None,
) -> None:
    """Bring what is pinned to the newest allowed versions, and show what changed. A failure changes nothing."""
    raise typer.Exit(updating.update(what or ()))


def scan(
    stack: Annotated[str, typer.Option("--stack", "-s", help="Name of the stack: Pulumi.<stack>.yaml.")] = "dev",
    model: Annotated[str, typer.Option("--model", "-m", help="One model; without it, every model of the stack.")] = "",
    sbom: Annotated[Path | None, typer.Option(help="A file in CycloneDX's JSON format, in place of a stack.")] = None,
    database: Annotated[
        Path | None, typer.Option(help="Folder with OSV's databases: osv-scalibr/<ecosystem>/all.zip.")
    ] = None,
) -> None:
    """Hold the packages in a model's image against the published advisories. Ends with 1 if one can be fixed."""
    if sbom is not None:
        raise typer.Exit(scanning.scan_file(sbom, database))
    raise typer.Exit(scanning.scan(stacks.load(stack), model or None, database))


COMMANDS = (audit, update, scan)
