"""Markdown in which text from data stays text: no heading, link, table cell or tag can be forged by what it says."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

# As entities, since not every renderer takes a backslash before these.
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;"})
_SPECIAL = re.compile(r"[\\`*\[\]~$!]|(?<![^\W_])_|_(?![^\W_])")  # an underscore inside a word means nothing
_LINK = re.compile(r"(?=://)|(?<=www)(?=\.)", re.IGNORECASE)  # what GitHub would make a link of unasked
_OPENING = re.compile(r"(\d*)(?=[#+=.)-])")  # what at the start of a line would begin a heading, a list or a rule
_JOINERS = "\u200c\u200d"


def plain(text: str, *, characters_max: int = 2_000) -> str:
    """`text` on one line, without characters that are not seen or that turn the direction of reading."""
    spaced = " ".join(text.split())
    seen = "".join(c for c in spaced if c in _JOINERS or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn"))
    return seen if len(seen) <= characters_max else f"{seen[: characters_max - 1]}…"


def text(said: str, *, characters_max: int = 2_000) -> str:
    """Text from data, escaped; it may stand anywhere in a line or a table's cell."""
    escaped = _SPECIAL.sub(lambda found: "\\" + found[0], plain(said, characters_max=characters_max))
    escaped = _LINK.sub(r"\\", escaped.translate(_ENTITIES))
    return _OPENING.sub(r"\1\\", escaped, count=1) if _OPENING.match(escaped) else escaped


def code(said: str) -> str:
    """Text from data as code, fenced so that no backtick in it can end it. Not for table cells."""
    content = plain(said, characters_max=5_000)
    longest = max((len(run) for run in re.findall("`+", content)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if longest or not content else ""
    return f"{fence}{pad}{content}{pad}{fence}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table. Cells are escaped already; headings that end in a colon are set to the right."""
    rule = ["---:" if name.endswith(":") else "---" for name in head]
    for cells in chain(([name.rstrip(":") for name in head], rule), rows):
        yield f"| {' | '.join(cells)} |"
