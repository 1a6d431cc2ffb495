"""A page about the last hour of each model of a stack, for people without Grafana."""

from pathlib import Path

from toolchain.report.facts import facts
from toolchain.report.page import page
from toolchain.report.source import source, watched
from toolchain.stack import Stack


def write(stack: Stack, file: Path, prometheus: str | None = None) -> None:
    """Write the page about a stack to a file.

    Raises ToolchainError when no Prometheus answers, at the address that is given or beside the stack's cluster.
    """
    stack = watched(stack)
    text = page(facts(stack, source(stack, prometheus)))
    file.write_text(text)
