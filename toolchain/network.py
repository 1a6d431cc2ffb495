"""Downloads from official places: short timeouts, checksums, and a memory of which places cannot be reached."""

import functools
import hashlib
import http.client
import shutil
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

from toolchain import disk, interruption, paths
from toolchain.errors import ToolchainError

_PROBE_SECONDS = 2.0
_STALL_SECONDS = 20.0
_BLOCK = 1 << 20
_ATTEMPTS = 3
_REFUSED = (401, 403, 407, 451)
_ABSENT = (404, 410)

OnBytes = Callable[[int, int], None]


@functools.cache
def reachable(url: str) -> bool:
    """Whether the server of ``url`` answers at all, asked once per server and run. Proxy settings are honoured."""
    parts = urllib.parse.urlsplit(url)
    root = f"{parts.scheme}://{parts.netloc}/"
    if url != root:
        return reachable(root)
    try:
        with urllib.request.urlopen(urllib.request.Request(root, method="HEAD"), timeout=_PROBE_SECONDS):
            return True
    except urllib.error.HTTPError as error:
        # A page that does not exist is an answer; a proxy's refusal or failure is not.
        return error.code not in (403, 407, 502, 503, 504)
    except (OSError, ValueError):
        return False


def fetch(url: str, target: Path, sha256: str, on_bytes: OnBytes = lambda done, total: None) -> None:
    """Download ``url`` to ``target``, which exists afterwards only if its SHA-256 is ``sha256``.

    What came before the connection or this process ended stays in the cache folder, under the checksum, and the next
    download goes on from there. ``on_bytes`` is told the bytes so far and the total (0 when the server does not say).
    Raises ToolchainError when the download fails or the content is another, DiskFull, and interruption.Stopped.
    """
    partial = kept() / f"{sha256.lower()}.part"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.parent.mkdir(parents=True, exist_ok=True)
        resumed = _receive_with_patience(url, partial, on_bytes)
        found = _sha256(partial)
        if resumed and found != sha256.lower():  # what was kept may be spoilt: once more, from the start
            partial.unlink()
            _receive_with_patience(url, partial, on_bytes)
            found = _sha256(partial)
        if found != sha256.lower():
            partial.unlink()
            raise ToolchainError(
                f"download {url}",
                f"its SHA-256 is {found}, but {sha256} is published",
                "The file was damaged or replaced on its way; nothing was installed.",
            )
        shutil.move(partial, target)
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, OSError) and disk.is_full(error):
            partial.unlink(missing_ok=True)
            raise disk.failure(f"download {url}", str(error)) from None
        raise _failure(url, error) from None


def kept() -> Path:
    """Where downloads that were cut off wait to be finished."""
    return paths.cache() / "downloads"


def _receive_with_patience(url: str, partial: Path, on_bytes: OnBytes) -> bool:
    """Bring ``partial`` to its full length; a connection that ends early is opened again while it brings something.

    Returns whether a part of it was there before.
    """
    before = _size(partial)
    for attempt in range(_ATTEMPTS):
        start = _size(partial)
        try:
            _receive(url, partial, on_bytes)
            break
        except urllib.error.HTTPError:
            raise
        except (OSError, http.client.HTTPException) as error:
            full = isinstance(error, OSError) and disk.is_full(error)
            if full or attempt == _ATTEMPTS - 1 or _size(partial) <= start:
                raise
    return before > 0


def _receive(url: str, partial: Path, on_bytes: OnBytes) -> None:
    """Go on with ``partial`` from where it ends, or from the start where the server does not know how."""
    done = _size(partial)
    request = urllib.request.Request(url, headers={"Range": f"bytes={done}-"} if done else {})
    try:
        response = urllib.request.urlopen(request, timeout=_STALL_SECONDS)
    except urllib.error.HTTPError as error:
        if done and error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # all of it is there, or too much: the checksum tells
        raise
    with response:
        if not response.headers.get("Content-Range", "").startswith(f"bytes {done}-"):
            done = 0
        length = response.headers.get("Content-Length")
        total = done + int(length) if length else 0
        with partial.open("ab" if done else "wb") as file:
            while block := response.read(_BLOCK):
                if interruption.stopping.is_set():
                    raise interruption.Stopped
                file.write(block)
                done += len(block)
                on_bytes(done, total)
    if total and done != total:
        raise ConnectionError(f"the connection ended after {done} of {total} bytes")


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _failure(url: str, error: Exception) -> ToolchainError:
    """The error for a download that ended with ``error``, with what helps against it."""
    why = str(error) or type(error).__name__
    todo = "Run the command again: it goes on from what came."
    if isinstance(error, urllib.error.HTTPError):
        why = f"the server answers {error.code} {error.reason}"
        if error.code in _REFUSED:
            todo = "The server or a proxy refuses it: check HTTPS_PROXY and what your network allows."
        elif error.code in _ABSENT:
            todo = "This version is not there (any more); see toolchain/versions.py."
    elif isinstance(error, urllib.error.URLError):
        why = f"no connection: {error.reason}"
        todo = "Check the network and HTTPS_PROXY, and run the command again."
    return ToolchainError(f"download {url}", why, todo)


def read(url: str, limit: int | None = None) -> bytes:
    """What is at ``url``, or its first ``limit`` bytes. For lists that say what to expect of a download.

    Raises ToolchainError when it cannot be read.
    """
    try:
        with urllib.request.urlopen(url, timeout=_STALL_SECONDS) as response:
            return response.read(limit)
    except (OSError, http.client.HTTPException) as error:
        raise _failure(url, error) from None


def published_checksum(url: str, file_name: str) -> str:
    """The SHA-256 of ``file_name`` from a published checksum file: lines of ``HASH  NAME``, or one bare hash.

    Raises ToolchainError when the file cannot be read or does not name ``file_name``.
    """
    lines = read(url, limit=_BLOCK).decode("utf-8", "replace").splitlines()
    words = [line.split() for line in lines if line.strip()]
    for entry in words:
        if len(entry) == 2 and entry[1].lstrip("*").rpartition("/")[2] == file_name and _is_sha256(entry[0]):
            return entry[0]
    if len(words) == 1 and len(words[0]) == 1 and _is_sha256(words[0][0]):
        return words[0][0]
    raise ToolchainError(f"download {url}", f"it has no SHA-256 for {file_name}", "Nothing is installed unchecked.")


def _is_sha256(text: str) -> bool:
    return len(text) == 64 and all(character in "0123456789abcdefABCDEF" for character in text)
