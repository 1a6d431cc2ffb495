"""The commands about what the project depends on."""

from typing import Annotated

import typer

from toolchain.supply import audit as auditing
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


COMMANDS = (audit, update)
