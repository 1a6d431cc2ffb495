"""Secret values, looked for where they must not be: as they are and in base64, in plain files and packed ones."""

import base64
import gzip
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def spellings(value: str) -> list[bytes]:
    """The value as it is, and what base64 makes of it wherever it stands in a longer text."""
    shifted = [base64.b64encode(b"\0" * skip + value.encode()) for skip in range(3)]
    return [value.encode(), *(text[4:-4] for text in shifted)]


class Canaries:
    """Values of a kind that occurs nowhere by chance."""

    def __init__(self, *values: str) -> None:
        self._needles = [spelling for value in values for spelling in spellings(value)]

    def found_in(self, content: bytes) -> bool:
        return any(needle in content for needle in self._needles)

    def files_below(self, folder: Path) -> list[str]:
        """Files below a folder that hold one, packed ones too."""
        files = (path for path in folder.rglob("*") if path.is_file())
        return [str(path) for path in files if self.found_in(_unpacked(path.read_bytes()))]

    @contextmanager
    def watched_arguments(self) -> Iterator[None]:
        """Watch the arguments of every process of the machine meanwhile. Raises AssertionError for one with a value."""
        watch = _Arguments(self)
        watch.start()
        try:
            yield
        finally:
            watch.stop()
        assert watch.looks > 5
        assert not watch.caught


def _unpacked(content: bytes) -> bytes:
    with suppress(OSError, EOFError, zlib.error):
        return gzip.decompress(content)
    return content


class _Arguments(threading.Thread):
    def __init__(self, canaries: Canaries) -> None:
        super().__init__(daemon=True)
        self.looks = 0
        self.caught: set[bytes] = set()
        self._canaries = canaries
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(0.02):
            for entry in Path("/proc").iterdir():
                if entry.name.isdigit():
                    with suppress(OSError):
                        line = (entry / "cmdline").read_bytes()
                        if self._canaries.found_in(line):
                            self.caught.add(line)
            self.looks += 1

    def stop(self) -> None:
        self._ended.set()
        self.join()
