"""The commands about what the project depends on."""

from typing import Annotated

import typer

from toolchain.supply import audit as auditing


def audit(
    advisories: Annotated[
        str, typer.Option(help="Address of a service with OSV's interface, such as a mirror.")
    ] = auditing.SERVICE,
) -> None:
    """Hold every pinned Python package against the published advisories. Ends with 1 if there are findings."""
    raise typer.Exit(auditing.audit(advisories))


COMMANDS = (audit,)
