"""A model hub on this machine that speaks as much of Hugging Face's API as downloading one revision needs."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse


@contextmanager
def hub(repository: str, revision: str, folder: Path) -> Iterator[str]:
    """Serves the folder's files as the one revision of a repository; gives the address for HF_ENDPOINT."""
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    tree = [
        {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
        for name, content in files.items()
    ]
    info = {"id": repository, "sha": revision, "siblings": [{"rfilename": name} for name in files]}
    answers: dict[str, bytes] = {
        f"/api/models/{repository}/revision/{revision}": json.dumps(info).encode(),
        f"/api/models/{repository}/tree/{revision}": json.dumps(tree).encode(),
        **{f"/{repository}/resolve/{revision}/{name}": content for name, content in files.items()},
    }

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def _answer(self, *, body: bool) -> None:
            content = answers.get(unquote(urlparse(self.path).path))
            self.send_response(200 if content is not None else 404)
            if content is None:
                self.send_header("X-Error-Code", "RevisionNotFound")
            else:
                self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
                self.send_header("X-Repo-Commit", revision)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            if body and content:
                self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
