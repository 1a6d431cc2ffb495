"""Value types of monitoring and objectives, made like those of types.py."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field


def _text_to_number(value: Any) -> Any:
    """`pulumi config set --path` stores 99.9 as text."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


# Below, no share of failed requests is a burn of 14.4 times the budget; above, a month has 26 seconds for failures.
Availability = Annotated[
    float,
    BeforeValidator(_text_to_number, json_schema_input_type=float),
    Field(
        strict=True,
        ge=95,
        le=99.999,
        title="availability",
        description="a number from 95 to 99.999: how many of a hundred requests are answered without a server's error",
        examples=[99.9],
    ),
]

# What can be counted is what the server's histogram has a bound for; the section checks that.
Latency = Annotated[
    str,
    Field(
        pattern=r"^(?:[0-9]*[1-9][0-9]*|[0-9]+\.[0-9]*[1-9][0-9]*|[0-9]*[1-9][0-9]*\.[0-9]+)(?:ms|s)$",
        title="latency",
        description="milliseconds or seconds above zero: 50ms, 2.5s",
        examples=["50ms"],
    ),
]

SloWindow = Annotated[
    str,
    Field(
        pattern=r"^(?:[7-9]|[12][0-9]|30)d$",
        title="window of an objective",
        description="whole days from 7d to 30d",
        examples=["30d"],
    ),
]

# The shortest window of an alert is 5 minutes, and a rate wants a few samples.
ScrapeInterval = Annotated[
    str,
    Field(
        pattern=r"^(?:[1-9]|[1-5][0-9]|60)s$",
        title="scrape interval",
        description="whole seconds from 1s to 60s",
        examples=["30s"],
    ),
]

RunbookUrl = Annotated[
    str,
    Field(
        pattern=r"^https?://\S+$",
        title="web address",
        description="where docs/monitoring.md of this project, or a page with its headings, is published (http or "
        "https); an alert's link is this with # and the alert's name behind it",
        examples=["https://wiki.example.com/model-serving/monitoring"],
    ),
]

_AMOUNT = "a number above zero, at most 100000"

Amount = Annotated[
    float,
    BeforeValidator(_text_to_number, json_schema_input_type=float),
    Field(strict=True, gt=0, le=100_000, title="amount", description=_AMOUNT, examples=[1]),
]

InFlight = Annotated[
    Amount,
    Field(
        title="number of requests",
        description=f"{_AMOUNT}: how many requests a pod should be answering at once, on average",
        examples=[4],
    ),
]

Threshold = Annotated[
    Amount,
    Field(
        title="threshold",
        description=f"{_AMOUNT}: what the query's value may be for each pod",
        examples=[10],
    ),
]

PrometheusUrl = Annotated[
    str,
    Field(
        pattern=r"^https?://[^\s/@]+(?:/\S*)?$",
        title="web address",
        description="where KEDA finds Prometheus (http or https), without credentials",
        examples=["http://prometheus-operated.monitoring.svc:9090"],
    ),
]

PromQuery = Annotated[
    str,
    Field(
        pattern=r"\S",
        title="query",
        description="an expression in PromQL, whose one value there is while no pod runs too",
        examples=["sum(rate(nginx_ingress_controller_requests{exported_service='digits'}[2m]))"],
    ),
]


def seconds(latency: str) -> float:
    """A latency of the stack file in seconds."""
    return float(latency.removesuffix("ms")) / 1000 if latency.endswith("ms") else float(latency.removesuffix("s"))


ImageRegistry = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9]+(?:[-._a-z0-9]*[a-z0-9])?(?::[0-9]{1,5})?(?:/[a-z0-9]+(?:[-._a-z0-9]*[a-z0-9])?)*$",
        title="image registry",
        description="a registry, and a path in it if need be, in lower case and without scheme",
        examples=["mirror.example.com"],
    ),
]

Retention = Annotated[
    str,
    Field(
        pattern=r"^[1-9][0-9]{0,3}[hdw]$",
        title="retention",
        description="how long samples are kept, in whole hours, days or weeks: 36h, 30d, 8w",
        examples=["30d"],
    ),
]

AlertInterval = Annotated[
    str,
    Field(
        pattern=r"^[1-9][0-9]{0,4}[smh]$",
        title="interval",
        description="whole seconds, minutes or hours: 30s, 5m, 4h",
        examples=["5m"],
    ),
]

SlackChannel = Annotated[
    str,
    Field(
        pattern=r"^[#@][^\s#@]{1,79}$",
        title="Slack channel",
        description="a channel with #, or a person with @",
        examples=["#models"],
    ),
]

EmailAddress = Annotated[
    str,
    Field(
        pattern=r"^[^\s@<>,]+@[^\s@<>,]+$",
        title="mail address",
        description="one mail address, without a name",
        examples=["oncall@example.com"],
    ),
]

MailServer = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9](?:[-.a-z0-9]*[a-z0-9])?:[0-9]{1,5}$",
        title="mail server",
        description="host:port of a mail server in lower case",
        examples=["smtp.example.com:587"],
    ),
]

MailUser = Annotated[
    str,
    Field(
        pattern=r"^\S+$",
        title="user",
        description="the name that the mail server knows the sender by",
        examples=["alerts"],
    ),
]
