"""Whether the database that the model depends on answers. Asked beside the requests, never by one."""

import logging
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from . import logs
from .errors import RefusalError

CHECKS = ("postgresql", "tcp")
TLS_MODES = ("verify-full", "verify-ca", "require", "disable")

PERIOD_SECONDS = 3
"""Between two questions. The pod's readiness probe sees a change at its next turn."""

TIMEOUT_SECONDS = 3
"""For each step of an answer: to connect, to agree on TLS, to say who asks."""

# PostgreSQL's protocol (https://www.postgresql.org/docs/current/protocol-message-formats.html).
_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
_PROTOCOL_3 = 196608


@dataclass(frozen=True, kw_only=True, slots=True)
class Database:
    """Where it is and how it is asked: as PostgreSQL, or with a connection of TCP and TLS alone."""

    check: str
    host: str
    port: int
    name: str
    user: str
    tls_mode: str
    ca_file: Path | None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Database | None":
        """None where nobody wants it asked.

        Raises: RefusalError: a variable is missing or has a value that is not allowed.
        """
        check = environ.get("DATABASE_CHECK", "")
        if not check:
            return None
        if check not in CHECKS:
            raise RefusalError(f"DATABASE_CHECK is {check!r}; it must be one of {', '.join(CHECKS)}")
        mode = environ.get("DATABASE_TLS_MODE", "verify-full")
        if mode not in TLS_MODES:
            raise RefusalError(f"DATABASE_TLS_MODE is {mode!r}; it must be one of {', '.join(TLS_MODES)}")
        host, port = environ.get("DATABASE_HOST", ""), environ.get("DATABASE_PORT", "")
        if not host:
            raise RefusalError("DATABASE_HOST is missing; it must be the database's host name or address")
        if not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
            raise RefusalError(f"DATABASE_PORT is {port!r}; it must be a whole number from 1 to 65535")
        ca_file = environ.get("DATABASE_CA_FILE")
        return cls(
            check=check,
            host=host,
            port=int(port),
            name=environ.get("DATABASE_NAME", ""),
            user=environ.get("DATABASE_USER", ""),
            tls_mode=mode,
            ca_file=Path(ca_file) if ca_file else None,
        )

    def tls(self) -> ssl.SSLContext | None:
        """How its certificate is verified; None for a connection that is not encrypted.

        Raises: RefusalError: the file of the authorities cannot be read.
        """
        if self.tls_mode == "disable":
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = self.tls_mode == "verify-full"
        if not self.tls_mode.startswith("verify"):
            context.verify_mode = ssl.CERT_NONE
        elif self.ca_file is None:
            context.load_default_certs()
        else:
            try:
                context.load_verify_locations(self.ca_file)
            except (OSError, ssl.SSLError) as error:
                raise RefusalError(f"DATABASE_CA_FILE {self.ca_file}: {error}") from None
        return context


class DatabaseCheck:
    """Asks in a thread of its own, so that a slow name server or handshake holds nobody up."""

    def __init__(self, database: Database, changed: Callable[[], None]) -> None:
        """`changed` is called, in that thread, after each answer. Raises: RefusalError: see `tls`."""
        self.problem: str | None = f"the database {database.host}:{database.port} has not been asked yet"
        """Why the database cannot be used; None while it answers."""
        self._database = database
        self._tls = database.tls()
        self._changed = changed
        self._stopped = threading.Event()

    def start(self) -> None:
        """Asks from now on, for as long as the process lives or until `stop`."""
        threading.Thread(target=self._watch, name="database", daemon=True).start()

    def stop(self) -> None:
        """Asks no more."""
        self._stopped.set()

    def _watch(self) -> None:
        asked = False
        while not self._stopped.is_set():
            problem = self._ask()
            if not asked or (problem is None) != (self.problem is None):
                level = logging.WARNING if problem else logging.INFO
                where = f"{self._database.host}:{self._database.port}"
                fields = {"reason": problem} if problem else {}
                logs.event(level, "database lost" if problem else "database answers", database=where, **fields)
            asked, self.problem = True, problem
            self._changed()
            self._stopped.wait(PERIOD_SECONDS)

    def _ask(self) -> str | None:
        database = self._database
        try:
            with socket.create_connection((database.host, database.port), TIMEOUT_SECONDS) as connection:
                if database.check == "postgresql":
                    self._ask_postgresql(connection)
                elif self._tls is not None:
                    self._encrypt(connection).close()
        except TimeoutError:
            why = f"no answer within {TIMEOUT_SECONDS} s"
        except ssl.SSLCertVerificationError as error:
            why = f"its certificate is not trusted: {error.verify_message}"
        except OSError as error:
            why = error.strerror or str(error)
        except _NotUsableError as error:
            why = str(error)
        else:
            return None
        return f"the database {database.host}:{database.port} does not answer: {why}"

    def _encrypt(self, connection: socket.socket) -> socket.socket:
        if self._tls is None:
            return connection
        return self._tls.wrap_socket(connection, server_hostname=self._database.host)

    def _ask_postgresql(self, connection: socket.socket) -> None:
        """Says who asks, up to the question for the password. A server that asks it takes connections.

        Raises: _NotUsableError: with the server's own reason, such as that it is starting up.
        """
        if self._tls is not None:
            connection.sendall(_SSL_REQUEST)
            if _read(connection, 1) != b"S":
                raise _NotUsableError("it does not offer TLS")
        with self._encrypt(connection) as stream:
            parameters = {"user": self._database.user, "database": self._database.name}
            pairs = b"".join(f"{name}\0{value}\0".encode() for name, value in parameters.items() if value)
            stream.sendall(struct.pack("!ii", len(pairs) + 9, _PROTOCOL_3) + pairs + b"\0")
            kind, length = _read(stream, 1), struct.unpack("!i", _read(stream, 4))[0]
            if kind == b"E":
                raise _NotUsableError(_reason(_read(stream, min(max(length - 4, 0), 4096))))
            if kind != b"R":
                raise _NotUsableError("its answer is not PostgreSQL's")


class _NotUsableError(Exception):
    """The database answered that, or as if, it cannot be used."""


def _read(stream: socket.socket, size: int) -> bytes:
    content = b""
    while len(content) < size:
        part = stream.recv(size - len(content))
        if not part:
            raise _NotUsableError("it closed the connection")
        content += part
    return content


def _reason(fields: bytes) -> str:
    """Severity, code and message of an error of PostgreSQL's."""
    texts = {field[:1]: field[1:].decode(errors="replace") for field in fields.split(b"\0") if field}
    return " ".join(texts[key] for key in (b"S", b"C", b"M") if key in texts) or "an error without a reason"
