"""Value types of log collection, made like those of types.py."""

from typing import Annotated

from pydantic import Field

# Without a user and a password: it stands in a ConfigMap.
LogsEndpoint = Annotated[
    str,
    Field(
        pattern=r"^https?://(?:[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[1-9][0-9]{0,4})?(?:/[-\w.~/%]*)?$",
        title="endpoint for logs",
        description="the address of an OTLP/HTTP receiver or of Loki (http or https) without user, password and query; "
        "/v1/logs, for Loki /otlp/v1/logs, is added to it",
        examples=["https://otlp.example.com:4318"],
    ),
]

LokiTenant = Annotated[
    str,
    Field(
        pattern=r"^[-A-Za-z0-9!_.*'()]{1,150}$",
        title="tenant of Loki",
        description="1 to 150 letters, digits and any of - ! _ . * ' ( )",
        examples=["vision"],
    ),
]
