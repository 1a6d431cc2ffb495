"""Answers that leave: how much of them may wait for their clients at once, and for how long."""

import asyncio
import fcntl
import os
import socket
import stat
import struct
import termios
import time
from collections.abc import Iterator
from pathlib import Path

from .errors import overloaded

SMALL_ANSWER_BYTES = 16 << 10
"""Answers up to here are not counted: all connections together can hold few of them."""

SETTLE_SECONDS = 0.25
"""So long after an answer was handed to Granian, at the latest, the first of it is in the socket."""


class Answers:
    """Counts the bytes of large answers that may not have left. All methods belong to the event loop's thread.

    Granian takes an answer and does not say when it has left. HTTP/1.1 answers one request after another, so a
    connection's answer has left when its next request is there. For the others the sockets are looked at, but only
    when there is no room, or when an answer is late.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self.held = 0
        """Bytes."""
        self._most = most
        self._seconds = seconds
        self._waiting: dict[str, tuple[int, float]] = {}
        """Client -> bytes and when they were handed over, the oldest first."""

    async def watch(self) -> None:
        """Cuts off who is late. Runs until it is cancelled."""
        while True:
            await asyncio.sleep(min(1, self._seconds / 10))
            oldest = next(iter(self._waiting.values()), None)
            if oldest is not None and oldest[1] <= time.monotonic() - self._seconds:
                self._look()

    def arrived(self, client: str) -> None:
        """A request is there, so the answer before it has left."""
        size, _ = self._waiting.pop(client, (0, 0))
        self.held -= size

    def leave(self, client: str, size: int) -> None:
        """Counts a large answer. A single one may be larger than the limit.

        Raises: RequestError: 503: too much is held already.
        """
        if self.held and self.held + size > self._most:
            self._look()
            if self.held and self.held + size > self._most:
                raise overloaded(f"overloaded: {self.held} bytes of answers wait for their clients")
        self._waiting[client] = (size, time.monotonic())
        self.held += size

    def _look(self) -> None:
        """Forgets answers that have left, and whose connection is closed; closes connections that are late."""
        now = time.monotonic()
        waits: set[str] = set()
        for sock in _tcp_sockets():
            try:
                client = _shown(sock.getpeername())
                if client in self._waiting and _unsent(sock):
                    if self._waiting[client][1] > now - self._seconds:
                        waits.add(client)
                    else:
                        # Without lingering: the kernel would hold for the client what it has.
                        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        sock.shutdown(socket.SHUT_RDWR)
            except OSError:  # it listens, or is closed
                continue
        for client, (_, since) in list(self._waiting.items()):
            if client not in waits and since <= now - SETTLE_SECONDS:
                self.arrived(client)


def cut_off_unread(port: int, seconds: float) -> bool:
    """Lets the kernel close connections to the port whose client takes nothing of its answers for so long.

    Granian has no such limit, and builds its socket where Python does not see it: so it is looked for. Connections
    take the setting over from it. Returns whether it was there.
    """
    found = False
    for sock in _tcp_sockets():
        if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) and sock.getsockname()[1] == port:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(seconds * 1000))
            found = True
    return found


def _tcp_sockets() -> Iterator[socket.socket]:
    """This process's, each as a duplicate that is closed when the next one is taken."""
    for entry in Path("/proc/self/fd").iterdir():
        number = int(entry.name)
        try:
            if not stat.S_ISSOCK(os.fstat(number).st_mode):
                continue
            sock = socket.socket(fileno=os.dup(number))
        except OSError:  # closed meanwhile
            continue
        with sock:
            if sock.family in (socket.AF_INET, socket.AF_INET6) and sock.type == socket.SOCK_STREAM:
                yield sock


def _unsent(sock: socket.socket) -> int:
    """Bytes in the kernel that the client has not taken. As long as Granian holds some, so does the kernel."""
    return struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))[0]


def _shown(address: tuple[str, int]) -> str:
    """An address as Granian shows it."""
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
