"""Databases for tests: PostgreSQL itself, where it is installed, and a server that speaks as much of it as is asked."""

import datetime
import ipaddress
import os
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

# A program of its own, so that a pod can run it too: python3 SPEAKER PORT CERTIFICATE KEY [ANSWER].
# It takes TLS as PostgreSQL does and answers the first message with a question for a password, or with an error.
SPEAKER = """
import socket, ssl, struct, sys
port, certificate, key, *answer = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
listener = socket.create_server(("", int(port)), reuse_port=False)
while True:
    connection, _ = listener.accept()
    try:
        connection.settimeout(5)
        if connection.recv(8) == struct.pack("!ii", 8, 80877103):
            connection.sendall(b"S")
            stream = context.wrap_socket(connection, server_side=True)
            stream.recv(1024)
            if answer:
                body = b"SFATAL\\0C57P03\\0M" + answer[0].encode() + b"\\0\\0"
                stream.sendall(b"E" + struct.pack("!i", len(body) + 4) + body)
            else:
                stream.sendall(b"R" + struct.pack("!ii", 8, 3))
            stream.close()
    except OSError as error:
        print(error, flush=True)
    finally:
        connection.close()
"""


@dataclass(frozen=True)
class Certificates:
    """Files (PEM) of an authority, and of a server that it vouches for."""

    ca: Path
    certificate: Path
    key: Path


def certificates(folder: Path, *names: str) -> Certificates:
    """A new authority, and its certificate for a server under these host names and addresses."""
    folder.mkdir(parents=True, exist_ok=True)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name, name = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in ("tests", names[0]))
    ca = _builder(ca_name, ca_name, ca_key.public_key()).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    server = _builder(name, ca_name, key.public_key()).add_extension(
        x509.SubjectAlternativeName([_alternative(text) for text in names]), critical=False
    )
    files = Certificates(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    files.ca.write_bytes(ca.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    files.certificate.write_bytes(server.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    files.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
    files.key.chmod(0o600)
    return files


def _builder(subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
    )


def _alternative(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


class Postgresql:
    """PostgreSQL on a port of 127.0.0.1, with TLS and passwords."""

    def __init__(self, port: int, files: Certificates) -> None:
        # Not below pytest's own folder, which only its user may enter.
        self._folder = tempfile.TemporaryDirectory(prefix="postgresql-", ignore_cleanup_errors=True)
        folder = Path(self._folder.name)
        self._data, self._log, self._port = folder / "data", folder / "log", port
        # It refuses to run as root.
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user:
            folder.chmod(0o755)
            shutil.chown(folder, self._user)
        password = folder / "password"
        password.write_text("password\n")
        password.chmod(0o644)
        how = ("--auth=scram-sha-256", "--username=admin", f"--pwfile={password}", "--no-sync")
        self._run("initdb", "--pgdata", str(self._data), *how)
        for name, file in (("server.crt", files.certificate), ("server.key", files.key)):
            shutil.copy(file, self._data / name)
            if self._user:
                shutil.chown(self._data / name, self._user)

    @staticmethod
    def programs() -> Path | None:
        """Where its programs are, None where it is not installed. Debian puts them beside PATH."""
        found = shutil.which("initdb") or next(
            (str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)), None
        )
        return Path(found).parent if found else None

    def start(self) -> None:
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c ssl=on -c fsync=off"
        self._run("pg_ctl", "start", "--wait", "-D", str(self._data), "-l", str(self._log), "-o", options)

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "--wait", "--mode=immediate", "-D", str(self._data))

    @property
    def log(self) -> str:
        return self._log.read_text()

    def _run(self, program: str, *arguments: str) -> None:
        programs = self.programs()
        assert programs
        command = [str(programs / program), *arguments]
        # Not captured: the server that pg_ctl starts would keep the pipes open.
        done = subprocess.run(command, user=self._user, cwd="/", stdout=subprocess.DEVNULL, check=False)
        assert done.returncode == 0, f"{program}: {self._log.read_text() if self._log.exists() else 'failed'}"


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert time.monotonic() < deadline, f"nothing listens on {port}"
            time.sleep(0.05)
