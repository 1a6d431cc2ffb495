"""The caller's trace, from the header `traceparent` (https://www.w3.org/TR/trace-context/)."""

import re

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")


def parse(header: str | None) -> dict[str, str] | None:
    """trace_id and span_id in hexadecimal digits; None where there is no header, or one that is not as it should be."""
    if header is None or (match := _TRACEPARENT.fullmatch(header)) is None:
        return None
    return {"trace_id": match[1], "span_id": match[2]}
