"""Run one benchmark: print its figures as a table and, where asked, write them as JSON.

The JSON is `{"figures": {"<key>": <number>}}`, the same keys as in the table, so that two runs can be compared by a
script.
"""

import argparse
import importlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from bench.figure import Figure

# Name on the command line -> what it measures. The module `bench.<name>` has `run(progress) -> list[Figure]`.
BENCHMARKS = {
    "main_job": "the whole job, warm: up, up again, new weights; the image; the server's start and memory; the answers",
    "preview": "pulumi preview of stack dev against a flat hand-written program with the same resources",
    "policies": "what the policy pack adds to a preview",
    "serving": "this server beside others: requests per second, tail latency, cold start; a heavy model",
    "hostile": "thousands of bad requests of 25 families: errors of the server, restarts, growth of memory",
    "scale": "a preview of up to 100 models, and over a bare loop; 50 models with GPUs on simulated nodes",
    "faults": "requests lost to rollouts, deleted pods, rotated secrets and settings, killed processes",
    "rolling": "ten minutes of rolling restarts at 40 % of the capacity: requests that fail",
    "observability": "what being watched costs: processor time of a scrape, series of a pod",
    "faults_main": "the main job under faults: lost requests, recovered updates, differences from the official plugin",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("name", help="; ".join(f"{name}: {what}" for name, what in BENCHMARKS.items()))
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    arguments = parser.parse_args()
    if arguments.name not in BENCHMARKS:
        print(f"bench: no benchmark {arguments.name!r}; there are: {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2

    errors = Console(stderr=True)
    figures: list[Figure] = importlib.import_module(f"bench.{arguments.name}").run(
        lambda text: errors.print(f"[dim]{text}[/dim]")
    )
    table = Table(title=f"{arguments.name}: {BENCHMARKS[arguments.name]}")
    for heading in ("figure", "value", "unit", "target", ""):
        table.add_column(heading, justify="right" if heading == "value" else "left")
    for figure in figures:
        table.add_row(figure.key, f"{figure.value:g}", figure.unit, figure.target, figure.verdict)
    Console().print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps({"figures": {f.key: f.value for f in figures}}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
