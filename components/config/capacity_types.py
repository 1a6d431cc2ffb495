"""Value types of rollouts and prices, made like those of types.py."""

from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError


def _without_midnight(value: Any) -> Any:
    """YAML reads a day without quotes as a moment, and Pulumi writes that out: 2026-11-01 00:00:00 +0000 UTC."""
    return value.removesuffix(" 00:00:00 +0000 UTC") if isinstance(value, str) else value


def _day_of_the_calendar(text: str) -> str:
    try:
        date.fromisoformat(text)
    except ValueError:
        raise PydanticCustomError("day", "no such day") from None
    return text


PodCount = Annotated[
    int,
    Field(
        strict=True,
        ge=0,
        le=1000,
        title="number of pods",
        description="a whole number from 0 to 1000",
        examples=[1],
    ),
]

Currency = Annotated[
    str,
    Field(
        pattern=r"^[A-Z]{3}$",
        title="currency",
        description="three capital letters of ISO 4217, like USD",
        examples=["USD"],
    ),
]

Date = Annotated[
    str,
    BeforeValidator(_without_midnight, json_schema_input_type=str),
    Field(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
        title="date",
        description="a day of the calendar as year-month-day",
        examples=["2026-11-01"],
    ),
    AfterValidator(_day_of_the_calendar),
]

PricedNode = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?$",
        max_length=63,
        title="machine type or pool",
        description='1 to 63 letters, digits, "-", "." and "_", with a letter or digit at both ends',
        examples=["g2-standard-4"],
    ),
]

PricePerHour = Annotated[
    float,
    Field(
        strict=True,
        ge=0,
        lt=1e6,
        title="price",
        description="a number from 0 to below a million: what one node costs per hour",
        examples=[0.81],
    ),
]
