"""Advisories on this machine: records in OSV's format, databases of them, and what pip-audit asks of OSV's service.

Sources: https://ossf.github.io/osv-schema/ and https://google.github.io/osv.dev/post-v1-query/. Which versions a record
is about is told by the order of Python's versions (PEP 440), so what is served is about packages of PyPI only.
"""

import contextlib
import json
import threading
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

Record = dict[str, Any]


def record(
    id: str, package: str, fixed: str | None, *, aliases: Sequence[str] = (), ecosystem: str = "PyPI", **more: Any
) -> Record:
    """An advisory about all versions of a package before `fixed`, or about all there are."""
    events = [{"introduced": "0"}, *([{"fixed": fixed}] if fixed else [])]
    return {
        "schema_version": "1.6.0",
        "id": id,
        "aliases": list(aliases),
        "modified": "2026-01-01T00:00:00Z",
        "summary": f"about {package}",
        "affected": [
            {
                "package": {"ecosystem": ecosystem, "name": package},
                "ranges": [{"type": "ECOSYSTEM", "events": events}],
            }
        ],
        **more,
    }


# Real ones, by what they say: CVE-2020-14343 and CVE-2019-10906 at https://nvd.nist.gov/vuln/detail, and
# https://www.debian.org/security/2023/dsa-5532.
PYYAML = record("PYSEC-2021-142", "pyyaml", "5.4", aliases=["CVE-2020-14343", "GHSA-8q59-q68h-6hv4"])
JINJA = record("PYSEC-2019-217", "jinja2", "2.10.1", aliases=["CVE-2019-10906", "GHSA-462w-v97r-4m45"])
OPENSSL = record("DSA-5532-1", "openssl", "3.0.11-1~deb12u2", aliases=["CVE-2023-5363"], ecosystem="Debian:12")


def database(folder: Path, *records: Record) -> Path:
    """A folder with OSV's databases as OSV-Scanner keeps them, of these records."""
    ecosystems: dict[str, list[Record]] = {"PyPI": [], "Debian": []}
    for entry in records:
        [affected] = entry["affected"]
        ecosystems[affected["package"]["ecosystem"].partition(":")[0]].append(entry)
    for ecosystem, entries in ecosystems.items():
        file = folder / "osv-scalibr" / ecosystem / "all.zip"
        file.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(file, "w") as archive:
            for entry in entries:
                archive.writestr(f"{entry['id']}.json", json.dumps(entry))
    return folder


def about(records: Iterable[Record], name: str, version: str) -> list[Record]:
    """The records that a version of a package of PyPI is affected by."""
    return [entry for entry in records if any(_affects(part, name, version) for part in entry.get("affected", ()))]


def _affects(part: Record, name: str, version: str) -> bool:
    package = part.get("package", {})
    if package.get("ecosystem") != "PyPI" or canonicalize_name(package["name"]) != canonicalize_name(name):
        return False
    if version in part.get("versions", ()):
        return True
    ranges = [entry["events"] for entry in part.get("ranges", ()) if entry["type"] == "ECOSYSTEM"]
    return any(_within(events, Version(version)) for events in ranges)


def _within(events: list[dict[str, str]], version: Version) -> bool:
    inside = False
    for event in events:
        kind, text = next(iter(event.items()))
        with contextlib.suppress(InvalidVersion):
            if kind == "introduced" and (text == "0" or version >= Version(text)):
                inside = True
            elif (kind == "fixed" and version >= Version(text)) or (
                kind == "last_affected" and version > Version(text)
            ):
                inside = False
    return inside


@contextlib.contextmanager
def serving(records: Sequence[Record]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """A service with these records: its address, and what it was asked about so far."""
    asked: list[tuple[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(404, b"")

        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path != "/v1/query":
                self._answer(404, b"{}")
                return
            name, version = query["package"]["name"], query["version"]
            asked.append((name, version))
            found = about(records, name, version)
            self._answer(200, json.dumps({"vulns": found} if found else {}).encode())

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
