"""The commands that a page of the documentation tells, so that a test can run each of them."""

import re
from pathlib import Path


def commands(page: Path, heading: str = "") -> list[list[str]]:
    """The commands of each `sh` block, of the whole page or below one heading; comments and blank lines left out."""
    text = page.read_text()
    if heading:
        _, found, text = text.partition(f"\n{heading}\n")
        assert found, f"{page.name} has no heading {heading!r}"
        level = heading.index(" ")
        text = re.split(rf"\n#{{1,{level}}} ", text)[0]
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    return [[line for line in _lines(block) if line and not line.startswith("#")] for block in blocks]


def _lines(block: str) -> list[str]:
    return [line.strip() for line in block.replace("\\\n", " ").splitlines()]
