"""Downloads from official places: short timeouts, checksums, and a memory of which places cannot be reached."""

import functools
import hashlib
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

from toolchain.errors import ToolchainError

_PROBE_SECONDS = 2.0
_STALL_SECONDS = 20.0
_BLOCK = 1 << 20


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


def fetch(url: str, target: Path, sha256: str, on_bytes: Callable[[int, int], None] = lambda done, total: None) -> None:
    """Download ``url`` to ``target``, which exists afterwards only if its SHA-256 is ``sha256``.

    ``on_bytes`` is told the bytes so far and the total (0 when the server does not say).
    Raises ToolchainError when the download fails or the content is another.
    """
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    try:
        with urllib.request.urlopen(url, timeout=_STALL_SECONDS) as response, partial.open("wb") as file:
            total = int(response.headers.get("Content-Length") or 0)
            done = 0
            while block := response.read(_BLOCK):
                file.write(block)
                digest.update(block)
                done += len(block)
                on_bytes(done, total)
        if total and done != total:
            raise ToolchainError(f"download {url}", f"the connection ended after {done} of {total} bytes", "Try again.")
        if digest.hexdigest() != sha256.lower():
            raise ToolchainError(
                f"download {url}",
                f"its SHA-256 is {digest.hexdigest()}, but {sha256} is published",
                "The file was damaged or replaced on its way; nothing was installed.",
            )
        partial.replace(target)
    except OSError as error:
        raise ToolchainError(f"download {url}", str(error), "Try again.") from None
    finally:
        partial.unlink(missing_ok=True)


def published_checksum(url: str, file_name: str) -> str:
    """The SHA-256 of ``file_name`` from a published checksum file: lines of ``HASH  NAME``, or one bare hash.

    Raises ToolchainError when the file cannot be read or does not name ``file_name``.
    """
    try:
        with urllib.request.urlopen(url, timeout=_STALL_SECONDS) as response:
            lines = response.read(_BLOCK).decode("utf-8", "replace").splitlines()
    except OSError as error:
        raise ToolchainError(f"download {url}", str(error), "Try again.") from None
    words = [line.split() for line in lines if line.strip()]
    for entry in words:
        if len(entry) == 2 and entry[1].lstrip("*").rpartition("/")[2] == file_name and _is_sha256(entry[0]):
            return entry[0]
    if len(words) == 1 and len(words[0]) == 1 and _is_sha256(words[0][0]):
        return words[0][0]
    raise ToolchainError(f"download {url}", f"it has no SHA-256 for {file_name}")


def _is_sha256(text: str) -> bool:
    return len(text) == 64 and all(character in "0123456789abcdefABCDEF" for character in text)
