"""Text from anywhere as it may stand on a terminal: no secrets, nothing that a terminal obeys, wrapped. Pure."""

from __future__ import annotations

import json
import re
import textwrap

from actors.redaction import redacted

WIDTH = 120  # a longer line is wrapped; one that was written to this width stays as it is
INDENT = "    "
CHARACTERS_MAX = 20_000  # of one block; what is cut is counted
_DATA = re.compile(r'(<data from="[^"<>]*">\n)(.*?)(\n</data>)', re.DOTALL)


def line(text: object) -> str:
    """`text` on one line, whole: secrets left out, control and unseen characters spelled out."""
    return _harmless(" ".join(redacted(str(text)).split()))


def block(text: str, *, characters_max: int = CHARACTERS_MAX, indent: str = INDENT) -> str:
    """`text` indented line by line. A long one says how much of it is not shown."""
    told = redacted(text)
    more = f"\n… {len(told) - characters_max:,} more characters" if len(told) > characters_max else ""
    safe = _harmless(told[:characters_max].expandtabs(4))
    return "\n".join(_wrapped(one, indent) for one in (safe + more).split("\n"))


def spread(text: str) -> str:
    """JSON inside of a text with room between its parts; a text that is nothing but JSON, line by line."""
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return _DATA.sub(lambda found: found[1] + _spaced(found[2]) + found[3], text)


def _harmless(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else f"\\u{ord(c):04x}" for c in text)


def _spaced(text: str) -> str:
    try:
        return json.dumps(json.loads(text), ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def _wrapped(one: str, indent: str) -> str:
    if len(one) <= WIDTH:
        return indent + one if one else ""
    own = indent + one[: len(one) - len(one.lstrip())]
    return textwrap.fill(
        one.strip(),
        WIDTH,
        initial_indent=own,
        subsequent_indent=own,
        break_long_words=False,
        break_on_hyphens=False,
    )
