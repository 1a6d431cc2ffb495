"""Many models: what a preview of them costs."""

from collections.abc import Callable

from bench.figure import Figure
from bench.scale import preview


def run(progress: Callable[[str], None]) -> list[Figure]:
    return preview.measure(progress)
