"""What a model promises. Rules, the autoscaler's target and the dashboards' thresholds follow from it."""

from typing import Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from components.config.monitoring_types import Availability, Latency, SloWindow, seconds
from components.config.sections.base import Section


class SloConfig(Section):
    """Objectives over a `window`: so many of a hundred requests answered without a server's error (`availability`),
    and 99 of a hundred within `latencyP99`."""

    availability: Availability | None = None
    latency_p99: Latency | None = None
    window: SloWindow = "30d"

    @property
    def latency_seconds(self) -> float | None:
        """The bound of latency in seconds."""
        return None if self.latency_p99 is None else seconds(self.latency_p99)

    @property
    def window_days(self) -> int:
        """The window in days."""
        return int(self.window.removesuffix("d"))

    @model_validator(mode="after")
    def _something_is_promised(self) -> Self:
        if self.availability is None and self.latency_p99 is None:
            raise PydanticCustomError(
                "slo_is_empty", "promises nothing; an objective has availability, latencyP99 or both"
            )
        return self
