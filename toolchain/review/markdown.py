"""Foreign text in a comment: shown as it is, and never as markup, a mention or a link."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

# What GitHub takes as the body of a comment. It counts characters; bytes are never fewer.
LIMIT = 65_536

_COLOURS = re.compile(r"\x1b\[[0-9;]*m|<\{%[^%]*%\}>")
# Control characters, and those that make text read in another order than it stands.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def plain(text: str) -> str:
    """Without colours and characters that nobody sees."""
    return _UNSEEN.sub("", _COLOURS.sub("", text).replace("\r\n", "\n"))


def code(text: str) -> str:
    """On one line, in the middle of a sentence, a list or a table."""
    line = " ".join(plain(text).split())
    if not line:
        return "(empty)"
    ticks = "`" * (_longest_run(line) + 1)
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{ticks}{space}{line}{space}{ticks}"


def cell(text: str) -> str:
    """Like ``code``, in a table, where a bar would end the cell even so."""
    return code(text).replace("|", "\\|")


def block(text: str, longest: int = 4_000) -> str:
    """Several lines as they are; what is longer than ``longest`` characters is cut."""
    shown = plain(text).rstrip()
    if len(shown) > longest:
        shown = f"{shown[:longest]}\n... ({len(shown) - longest} more characters)"
    fence = "`" * max(3, _longest_run(shown) + 1)
    return f"{fence}text\n{shown}\n{fence}"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)


@dataclass(frozen=True)
class Section:
    """A part of the comment that may be cut between two entries of its body, and stays whole Markdown."""

    head: str
    body: Sequence[str] = ()
    foot: str = ""


def fitted(sections: Sequence[Section], notice: str, limit: int = LIMIT) -> str:
    """The sections, the last of them cut where they do not fit; ``notice`` then follows the number of what is left out.

    The first section is always there.
    """
    whole = _joined(sections)
    if len(whole.encode()) <= limit:
        return whole
    room = limit - len(notice.encode()) - 100
    kept: list[Section] = []
    left_out = 0
    for section in sections:
        body: list[str] = []
        if left_out or _size([*kept, Section(section.head, (), section.foot)]) > room:
            left_out += len(section.body) or 1
            continue
        for position, entry in enumerate(section.body):
            if _size([*kept, Section(section.head, [*body, entry], section.foot)]) > room:
                left_out += len(section.body) - position
                break
            body.append(entry)
        kept.append(Section(section.head, body, section.foot))
    return f"{_joined(kept)}\n\n**{left_out} entries are left out: {notice}**\n"


def _joined(sections: Sequence[Section]) -> str:
    parts = ("\n".join([s.head, *s.body, *([s.foot] if s.foot else [])]) for s in sections)
    return "\n\n".join(parts).strip()


def _size(sections: Sequence[Section]) -> int:
    return len(_joined(sections).encode())
