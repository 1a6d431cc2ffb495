"""A lean load: one process, one thread, so many connections, on each the next request when the last is answered.

    python -m bench.serving.load PORT CONNECTIONS SECONDS REQUEST_FILE ANSWER_FILE

The request is sent as it stands in its file. Every answer must have status 200 and contain the bytes of the answer's
file. Prints {"requests", "seconds", "p50_ms", "p99_ms", "wrong"}.
"""

import json
import selectors
import socket
import sys
import time
from pathlib import Path


def measure(port: int, connections: int, seconds: float, request: bytes, answer: bytes) -> dict[str, float]:
    """Requests per second and latencies of a closed loop. `answer` must be part of every response."""
    selector = selectors.DefaultSelector()
    started: dict[socket.socket, float] = {}
    received: dict[socket.socket, bytes] = {}
    clock = time.perf_counter
    for _ in range(connections):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(connection, selectors.EVENT_READ)
        received[connection] = b""
    latencies: list[float] = []
    wrong = 0
    began = clock()
    for connection in received:
        connection.sendall(request)
        started[connection] = clock()
    while (now := clock()) - began < seconds:
        for key, _ in selector.select(1):
            connection: socket.socket = key.fileobj  # pyright: ignore[reportAssignmentType]
            data = received[connection] + connection.recv(1 << 18)
            if not _complete(data):
                received[connection] = data
                continue
            now = clock()
            latencies.append(now - started[connection])
            wrong += not (data.startswith(b"HTTP/1.1 200") and answer in data)
            received[connection] = b""
            started[connection] = now
            connection.sendall(request)
    elapsed = clock() - began
    for connection in received:
        connection.close()
    latencies.sort()
    return {
        "requests": len(latencies),
        "seconds": elapsed,
        "p50_ms": latencies[len(latencies) // 2] * 1e3,
        "p99_ms": latencies[int(len(latencies) * 0.99)] * 1e3,
        "wrong": wrong,
    }


def _complete(data: bytes) -> bool:
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return False
    head = data[:end].lower()
    place = head.find(b"content-length:")
    if place < 0:
        return data.endswith(b"0\r\n\r\n")  # in chunks
    return len(data) >= end + 4 + int(head[place + 15 :].split(b"\r\n", 1)[0])


if __name__ == "__main__":
    port, connections, seconds, request_file, answer_file = sys.argv[1:]
    found = measure(
        int(port), int(connections), float(seconds), Path(request_file).read_bytes(), Path(answer_file).read_bytes()
    )
    print(json.dumps(found))
