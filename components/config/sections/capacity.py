"""What an update may need beside what runs, and what nodes cost."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from components.config.capacity_types import Currency, Date, PodCount, PricedNode, PricePerHour
from components.config.sections.base import Section

# What becomes of an update that could not be scheduled.
CapacityCheck = Literal["error", "warn", "off"]


class RolloutConfig(Section):
    """How many pods an update may add, and how many it may take away, at a time. `maxUnavailable`, where absent, is
    0, or 1 without a surge: then no spare room is needed, and one replica less answers while its successor starts."""

    max_surge: PodCount = 1
    max_unavailable: PodCount | None = None

    @model_validator(mode="after")
    def _something_may_change(self) -> Self:
        if self.max_surge == 0 and self.max_unavailable == 0:
            raise PydanticCustomError(
                "nothing_moves", "maxSurge and maxUnavailable are both 0, and no pod could ever be replaced"
            )
        return self

    @property
    def unavailable(self) -> int:
        """How many replicas may be missing during an update."""
        if self.max_unavailable is not None:
            return self.max_unavailable
        return 0 if self.max_surge else 1


class PricesConfig(Section):
    """What a node costs per hour, by machine type or by pool, as of a date. Nothing else is ever priced."""

    currency: Currency
    date: Date
    per_hour: Annotated[
        dict[PricedNode, PricePerHour],
        Field(min_length=1, description="prices of a node per hour, by machine type or pool"),
    ]
