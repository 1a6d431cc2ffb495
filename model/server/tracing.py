"""What tells a request from all others: the caller's id of it, and its trace.

The id is the header `x-request-id`, the trace `traceparent` (https://www.w3.org/TR/trace-context/).
"""

import re

REQUEST_ID_HEADER = "x-request-id"
# Nothing that could break a log line or a header.
_REQUEST_ID = re.compile(r"[-A-Za-z0-9._:/+=]{1,128}")

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")


def parse(header: str | None) -> dict[str, str] | None:
    """trace_id and span_id in hexadecimal digits; None where there is no header, or one that is not as it should be."""
    if header is None or (match := _TRACEPARENT.fullmatch(header)) is None:
        return None
    return {"trace_id": match[1], "span_id": match[2]}


def request_id(header: str | None) -> str | None:
    """The caller's id; None where there is none, or one of other characters than ids are made of."""
    return header if header is not None and _REQUEST_ID.fullmatch(header) else None


def identity(request: str | None, trace: dict[str, str] | None) -> dict[str, str]:
    """The fields of a log line that say which request it is about."""
    return {**({"request_id": request} if request is not None else {}), **(trace or {})}
