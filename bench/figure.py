"""One measured number and what it is held against."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure of a benchmark.

    `at_most` and `at_least` are the project's stated targets on a machine with two cores; a figure without either is
    reported only.
    """

    key: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def target(self) -> str:
        if self.at_most is not None:
            return f"<= {self.at_most:g}"
        return f">= {self.at_least:g}" if self.at_least is not None else ""

    @property
    def verdict(self) -> str:
        if not self.target:
            return "reported"
        missed = (self.at_most is not None and self.value > self.at_most) or (
            self.at_least is not None and self.value < self.at_least
        )
        return "missed" if missed else "met"
