"""The list of parts: for people a table, for programs JSON."""

import json
from pathlib import Path
from typing import Any

from rich.table import Table

from toolchain import local
from toolchain.parts import catalog
from toolchain.parts.install import Plan, plan_all
from toolchain.progress import out


def report(*, as_json: bool = False) -> bool:
    """Print every part of a local stack: found, or how it will be had. Returns whether nothing is needed by hand."""
    own = local.parts()
    every = plan_all([*own, *catalog.addon_parts(catalog.addons())])
    plans, on_demand = every[: len(own)], every[len(own) :]
    lacking = list(dict.fromkeys([*local.lacking_rights(), *(line for plan in plans for line in _needed(plan))]))
    if as_json:
        print(json.dumps(document(plans, on_demand, lacking), indent=2))
        return not lacking
    table = Table("part", "state", "version", box=None, pad_edge=False)
    table.add_column("where", overflow="fold")
    for plan in plans:
        table.add_row(plan.part.name, *_row(plan))
    for plan in on_demand:
        state, *rest = _row(plan)
        table.add_row(plan.part.name, state if plan.found else "on demand", *rest)
    out.print(table)
    for line in lacking:
        out.print("[yellow]needed:[/yellow] ", end="")
        out.print(line, markup=False)
    return not lacking


def document(plans: list[Plan], on_demand: list[Plan], lacking: list[str]) -> dict[str, Any]:
    """What `doctor --json` prints. Keys and states are stable; more keys may come.

    ``platform`` is docker or node (see toolchain/local.py). A part's ``state`` is found, stand-in, available or
    missing; ``where`` is a path or place where it is found, else how it will be had. ``addons`` are parts that
    only some stacks need.
    """
    return {
        "ready": not lacking and all(plan.found for plan in plans),
        "platform": local.platform(),
        "parts": [_entry(plan) for plan in plans],
        "addons": [_entry(plan) for plan in on_demand],
        "needed": lacking,
    }


def _entry(plan: Plan) -> dict[str, str]:
    states = {"found": "found", "stand-in": "stand-in", "to be had": "available", "missing": "missing"}
    return {
        "name": plan.part.slug,
        "state": states[_state(plan)],
        "version": plan.found.version if plan.found else plan.part.version,
        "pinned": plan.part.version,
        "where": _where(plan),
    }


def _needed(plan: Plan) -> list[str]:
    if plan.found or plan.sources:
        return plan.missing
    return [f"{plan.part.name} {plan.part.version}: there is no way to get it on this system"]


def _state(plan: Plan) -> str:
    if plan.found:
        makeshift = plan.part.provisional and plan.found.where == str(plan.part.folder)
        return "stand-in" if makeshift else "found"
    return "to be had" if plan.sources else "missing"


def _where(plan: Plan) -> str:
    if plan.found:
        return plan.found.where
    return plan.sources[0].label if plan.sources else "no way to get it on this system"


_COLORS = {"found": "green", "stand-in": "yellow", "to be had": "yellow", "missing": "red"}


def _row(plan: Plan) -> tuple[str, str, str]:
    state = _state(plan)
    version = plan.found.version if plan.found else plan.part.version
    return (f"[{_COLORS[state]}]{state}[/]", version, _where(plan).replace(str(Path.home()), "~"))
