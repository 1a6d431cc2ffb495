"""Bad requests of 25 families against a real server process: what it answers, whether it lives, what it holds.

Each family generates its cases from a seeded generator, so that a run can be repeated. An answer of 5xx, and a
connection that is closed without the answer that was due, is an error of the server.
"""

import contextlib
import json
import os
import random
import socket
import struct
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from bench.figure import Figure
from tests.unit.server.models import linear, write_linear
from tests.unit.server.running import Running, serving

CASES = 1000
WARM_UP = 30
MAX_BODY_BYTES = 1 << 20

INFER = "/v2/models/linear/infer"
PREDICT = "/v1/models/linear:predict"
ROWS = [[1.0, 2.0, 3.0], [-4.5, 0.25, 100.0]]

REFUSED = range(400, 500)
ANSWERED = range(200, 500)
"""What may be right or wrong, as the generator had it."""
UNANSWERED = None
"""What is no HTTP, or whose client leaves: no answer is due, though one may come."""

Case = tuple[bytes, range | None]
Family = Callable[[random.Random], Case]


def run(progress: Callable[[str], None]) -> list[Figure]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = write_linear(Path(scratch) / "model")
        limits = {"MAX_BODY_BYTES": str(MAX_BODY_BYTES), "LOG_LEVEL": "warning"}
        with serving(folder, Path(scratch) / "run", **limits) as server:
            _check(server)
            for number, family in enumerate(FAMILIES.values()):
                _send(server, family, random.Random(number), WARM_UP)
            before = _resident_mb(server)
            errors = accepted = 0
            for number, (name, family) in enumerate(FAMILIES.items()):
                found = _send(server, family, random.Random(f"{number} {name}"), CASES)
                errors += found["error"]
                accepted += found["accepted"]
                counts = ", ".join(f"{what}: {count}" for what, count in sorted(found.items()))
                progress(f"{name}: {counts}")
            growth = _resident_mb(server) - before
            restarts = int(server.process.poll() is not None)
            _check(server)
    return [
        Figure(key="families", value=len(FAMILIES), unit="families", at_least=24),
        Figure(key="requests", value=len(FAMILIES) * CASES, unit="requests"),
        Figure(key="server_errors", value=errors, unit="requests", at_most=0),
        Figure(key="wrongly_accepted", value=accepted, unit="requests", at_most=0),
        Figure(key="restarts", value=restarts, unit="restarts", at_most=0),
        Figure(key="rss_growth_mb", value=round(growth, 1), unit="MB", at_most=20),
    ]


def _check(server: Running) -> None:
    """Raises RuntimeError unless the server answers right."""
    answer = httpx.post(f"{server.url}{INFER}", json=_body()).raise_for_status().json()["outputs"][0]["data"]
    if not np.allclose(answer, linear(ROWS).ravel(), atol=1e-4):
        raise RuntimeError(f"the server answers wrong: {answer}")


def _resident_mb(server: Running) -> float:
    pages = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _send(server: Running, family: Family, rng: random.Random, count: int) -> Counter[str]:
    """Sends cases one after the other, and counts the statuses, the errors, and what should have been refused."""
    found: Counter[str] = Counter(error=0, accepted=0)
    connection: socket.socket | None = None
    for _ in range(count):
        data, due = family(rng)
        if connection is None:
            connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
        if due is None:  # UNANSWERED
            found["left"] += 1
            try:
                connection.sendall(data)
                connection.settimeout(0.002)
                status = _status(connection)
                found["error"] += status is not None and status >= 500
            except (TimeoutError, OSError):
                pass
            connection.close()
            connection = None
            continue
        status = _ask(connection, data)
        found[str(status)] += 1
        if status is None or status >= 500:
            found["error"] += 1
        elif status not in due:
            found["accepted"] += 1
        if status is None or status in (408, 413):
            connection.close()
            connection = None
    if connection is not None:
        connection.close()
    return found


def _ask(connection: socket.socket, data: bytes) -> int | None:
    try:
        # Where it is refused before it was all sent, the answer is there.
        with contextlib.suppress(OSError):
            connection.sendall(data)
        return _status(connection)
    except OSError:
        return None


def _status(connection: socket.socket) -> int | None:
    """Reads one answer. None: the connection was closed before one was whole."""
    data = b""
    while (end := data.find(b"\r\n\r\n")) < 0:
        if not (more := connection.recv(1 << 16)):
            return None
        data += more
    head = data[:end].decode("latin-1").lower()
    length = next((int(line[15:]) for line in head.split("\r\n") if line.startswith("content-length:")), 0)
    while len(data) < end + 4 + length:
        if not (more := connection.recv(1 << 16)):
            return None
        data += more
    return int(head.split(" ", 2)[1])


def _http(body: bytes, path: str = INFER, method: str = "POST", **headers: object) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: a"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode("latin-1") + body


def _body(**changes: Any) -> dict[str, Any]:
    tensor = {"name": "x", "datatype": "FP32", "shape": [2, 3], "data": [value for row in ROWS for value in row]}
    return {"inputs": [{**tensor, **changes}]}


def _json(value: Any, path: str = INFER) -> bytes:
    return _http(json.dumps(value).encode(), path)


def _junk(rng: random.Random, depth: int = 3) -> Any:
    """Any JSON value."""
    kind = rng.randrange(8 if depth else 6)
    match kind:
        case 0:
            return None
        case 1:
            return rng.random() < 0.5
        case 2:
            return rng.randrange(-(10**30), 10**30)
        case 3:
            return rng.uniform(-1e300, 1e300)
        case 4 | 5:
            return "".join(chr(rng.randrange(1, 0xD800)) for _ in range(rng.randrange(20)))
        case 6:
            return [_junk(rng, depth - 1) for _ in range(rng.randrange(4))]
        case _:
            return {str(rng.random()): _junk(rng, depth - 1) for _ in range(rng.randrange(4))}


def _valid() -> bytes:
    return json.dumps(_body()).encode()


def not_json(rng: random.Random) -> Case:
    return _http(b"\0" + rng.randbytes(rng.randrange(2000))), REFUSED


def cut_off(rng: random.Random) -> Case:
    return _http(_valid()[: rng.randrange(len(_valid()))]), REFUSED


def not_utf8(rng: random.Random) -> Case:
    name = bytes(rng.randrange(0x80, 0xC0) for _ in range(rng.randrange(1, 50)))
    return _http(_valid().replace(b'"x"', b'"' + name + b'"')), REFUSED


def deep(rng: random.Random) -> Case:
    depth = rng.randrange(100, 100_000)
    opening, closing = rng.choice([("[", "]"), ('{"a":', "}")])
    nested = opening * depth + "1" + closing * (depth if rng.random() < 0.5 else 0)
    where = rng.choice(
        ["%s", '{"inputs": %s}', '{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": %s}]}']
    )
    return _http((where % nested).encode()), REFUSED


def wrong_form(rng: random.Random) -> Case:
    value = _junk(rng)
    return _json(value if rng.random() < 0.5 else {"inputs": value}), REFUSED


def missing_field(rng: random.Random) -> Case:
    body = _body()
    del body["inputs"][0][rng.choice(["name", "datatype", "shape", "data"])]
    return _json(body), REFUSED


def wrong_type(rng: random.Random) -> Case:
    field = rng.choice(["name", "datatype", "shape"])
    return _json(_body(**{field: {"not": _junk(rng)}})), REFUSED


def unknown_input(rng: random.Random) -> Case:
    return _json(_body(name="x" * rng.randrange(2, 100_000))), REFUSED


def input_twice(rng: random.Random) -> Case:
    return _json({"inputs": _body()["inputs"] * rng.randrange(2, 200)}), REFUSED


def wrong_datatype(rng: random.Random) -> Case:
    names = ["FP64", "FP16", "BF16", "INT8", "UINT64", "BOOL", "BYTES", "fp32", "FP32 ", "", "\0"]
    return _json(_body(datatype=rng.choice(names))), REFUSED


def wrong_shape(rng: random.Random) -> Case:
    shape = [rng.choice([0, -1, 1, 2, 4, 5, 6]) for _ in range(rng.randrange(6))]
    return _json(_body(shape=shape)), REFUSED


def huge_shape(rng: random.Random) -> Case:
    return _json(_body(shape=[rng.randrange(2**20, 2 ** rng.randrange(30, 200)), 3])), REFUSED


def wrong_count(rng: random.Random) -> Case:
    count = rng.choice([0, 1, 5, 7, rng.randrange(8, 20_000)])
    return _json(_body(data=[0.5] * count)), REFUSED


def ragged(rng: random.Random) -> Case:
    rows: list[Any] = [[0.5] * rng.choice([0, 1, 2, 4, 50]) for _ in range(2)]
    rows[0] = rng.choice([rows[0], 1.5, [[1.0, 2.0, 3.0]], None])
    return _json(_body(data=rows)), REFUSED


def not_finite(rng: random.Random) -> Case:
    token = rng.choice(["NaN", "Infinity", "-Infinity", "nan", "1e999", "-1e400", "1e39", "-3.5e38"])
    return _http(_valid().replace(b"0.25", token.encode())), REFUSED


def wrong_element(rng: random.Random) -> Case:
    values: list[Any] = [1.0] * 6
    values[rng.randrange(6)] = rng.choice([None, True, "1", [], {}, "a" * 10_000, [1.0]])
    return _json(_body(data=values)), REFUSED


def unknown_output(rng: random.Random) -> Case:
    wanted = rng.choice([[{"name": "z" * rng.randrange(1, 5000)}], "y", [None], [{}], [["y"]], [{"name": 1}]])
    return _json({**_body(), "outputs": wanted}), REFUSED


def wrong_parameters(rng: random.Random) -> Case:
    body = _body(
        parameters=rng.choice([{"binary_data_size": rng.randrange(-5, 10**9)}, {"shared_memory_region": "a"}, 1])
    )
    return _json(body), REFUSED


def too_large(rng: random.Random) -> Case:
    size = MAX_BODY_BYTES + rng.randrange(1, 4096)
    if rng.random() < 0.9:
        # Announced only: the answer comes before the body.
        return (
            f"POST {INFER} HTTP/1.1\r\nHost: a\r\nContent-Length: {size * rng.randrange(1, 10**6)}\r\n\r\n".encode(),
            REFUSED,
        )
    chunks = b"".join(b"%x\r\n%s\r\n" % (65536, b" " * 65536) for _ in range(MAX_BODY_BYTES // 65536 + 1))
    return f"POST {INFER} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + chunks, REFUSED


def binary_tensor(rng: random.Random) -> Case:
    size = rng.choice([0, 12, 23, 24, 25, 48])
    tensor = {"name": "x", "datatype": "FP32", "shape": [2, 3], "parameters": {"binary_data_size": size}}
    values = rng.choice([b"", b"\0" * 23, b"\0" * 25, struct.pack("<6f", *[float("nan")] * 6), rng.randbytes(5000)])
    head = json.dumps({"inputs": [tensor]}).encode()
    length = rng.choice([len(head), len(head) - 1, len(head) + 1, -1, 10**15, "x", ""])
    return _http(head + values, Inference_Header_Content_Length=length), REFUSED


def tf_serving(rng: random.Random) -> Case:
    value = rng.choice(
        [_junk(rng), [[1, 2], [3]], [[1, 2, None]], [{"x": [1, 2]}], {"z": [[1, 2, 3]]}, [{"b64": "%"}], []]
    )
    return _json({rng.choice(["instances", "inputs", "examples"]): value}, PREDICT), REFUSED


def wrong_path(rng: random.Random) -> Case:
    start = rng.choice(["/", "/v2/models/", "/v2/models/linear/", "/v1/models/linear", "/v2/models/linear/versions/"])
    junk = "".join(rng.choice("abcxyz019./:%-_~?&=") for _ in range(rng.randrange(1, 2000)))
    return _http(_valid(), start + "!" + junk), REFUSED


def wrong_method(rng: random.Random) -> Case:
    path = rng.choice([INFER, PREDICT, "/v2/health/live", "/v2", "/metrics", "/openapi.json", "/v2/models/linear"])
    headers = {"Content_Encoding": "gzip"} if rng.random() < 0.2 else {}
    return _http(b"", path, rng.choice(["PUT", "DELETE", "PATCH", "OPTIONS", "BREW"]), **headers), REFUSED


def mutated(rng: random.Random) -> Case:
    """A right request with some bytes changed: most are refused, some still right."""
    body = bytearray(_valid())
    for _ in range(rng.randrange(1, 6)):
        body[rng.randrange(len(body))] = rng.randrange(256)
    return _http(bytes(body)), ANSWERED


def no_http(rng: random.Random) -> Case:
    """Broken HTTP, and clients that leave in the middle."""
    start = f"POST {INFER} HTTP/1.1\r\nHost: a\r\n"
    broken = [
        rng.randbytes(rng.randrange(1, 3000)),
        _http(_valid())[: rng.randrange(1, 200)],
        f"{start}Content-Length: {rng.choice(['-1', 'x', '1e3', '9' * 50])}\r\n\r\n".encode(),
        f"{start}Transfer-Encoding: chunked\r\n\r\n{rng.choice(['zz', '-1', 'f' * 40])}\r\n".encode(),
        b"GET /v2 HTTP/1.1\r\n" + b"a: b\r\n" * rng.randrange(1, 5000),
        b"GET /" + b"a" * rng.randrange(1, 500_000),
    ]
    return rng.choice(broken), UNANSWERED


FAMILIES: dict[str, Family] = {
    family.__name__: family
    for family in (
        not_json, cut_off, not_utf8, deep, wrong_form, missing_field, wrong_type, unknown_input, input_twice,
        wrong_datatype, wrong_shape, huge_shape, wrong_count, ragged, not_finite, wrong_element, unknown_output,
        wrong_parameters, too_large, binary_tensor, tf_serving, wrong_path, wrong_method, mutated, no_http,
    )
}  # fmt: skip
