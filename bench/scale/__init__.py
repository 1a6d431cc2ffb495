"""Many models: what a preview of them costs, and a fleet of them on the nodes that the preview counted."""

from collections.abc import Callable

from bench.figure import Figure
from bench.scale import fleet, preview


def run(progress: Callable[[str], None]) -> list[Figure]:
    return [*preview.measure(progress), *fleet.measure(progress)]
