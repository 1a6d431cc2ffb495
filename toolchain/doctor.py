"""The table of parts."""

from pathlib import Path

from rich.table import Table

from toolchain import local
from toolchain.parts.install import Plan, plan_all
from toolchain.progress import out


def report() -> None:
    """Print every part of a local stack: found, or how it will be had."""
    plans = plan_all(local.parts())
    table = Table("part", "state", "version", box=None, pad_edge=False)
    table.add_column("where", overflow="fold")
    for plan in plans:
        table.add_row(plan.part.name, *_row(plan))
    out.print(table)
    lacking = dict.fromkeys([*local.lacking_rights(), *(line for plan in plans for line in plan.missing)])
    for line in lacking:
        out.print(f"[yellow]needed:[/yellow] {line}")


def _row(plan: Plan) -> tuple[str, str, str]:
    part = plan.part
    if plan.found:
        makeshift = part.provisional and plan.found.where == str(part.folder)
        state = "[yellow]stand-in[/yellow]" if makeshift else "[green]found[/green]"
        return (state, plan.found.version, plan.found.where.replace(str(Path.home()), "~"))
    if not plan.sources:
        return ("[red]missing[/red]", part.version, "no way to get it on this system")
    return ("[yellow]to be had[/yellow]", part.version, plan.sources[0].label)
