"""Places that charts come from: an OCI registry, and a chart repository that asks for a password."""

import base64
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


def packaged(helm: str, chart: Path, folder: Path) -> Path:
    """The chart as an archive in a folder."""
    subprocess.run([helm, "package", chart, "--destination", folder], check=True, capture_output=True)
    return next(folder.glob("*.tgz"))


def dependent(helm: str, folder: Path, on: Path) -> None:
    """Write a deprecated chart that depends on another one and has locked, but does not hold it."""
    folder.mkdir()
    dependency = {"name": on.name, "version": "0.2.0", "repository": f"file://../{on.name}"}
    chart = {"apiVersion": "v2", "name": folder.name, "version": "1.0.0", "deprecated": True}
    (folder / "Chart.yaml").write_text(json.dumps({**chart, "dependencies": [dependency]}))
    subprocess.run([helm, "dependency", "update", folder], check=True, capture_output=True)
    shutil.rmtree(folder / "charts")


def pushed(helm: str, archive: Path, registry: str) -> str:
    """The reference of a chart that was pushed to a registry."""
    place = f"oci://{registry}/charts"
    subprocess.run([helm, "push", archive, place, "--plain-http"], check=True, capture_output=True)
    return f"{place}/{archive.name.partition('-')[0]}"


@contextmanager
def repository(helm: str, folder: Path, username: str, password: str) -> Iterator[str]:
    """The URL of a chart repository that serves a folder of archives, to one user."""
    subprocess.run([helm, "repo", "index", folder], check=True, capture_output=True)
    wanted = "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(folder))

        def do_GET(self) -> None:
            if self.headers.get("Authorization") == wanted:
                super().do_GET()
            else:
                self.send_error(401)

        def log_message(self, format: str, *args: Any) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(5)
