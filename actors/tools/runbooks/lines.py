"""The lines of a Markdown or AsciiDoc page, each with what it is: front matter, heading, code, prose. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

LINE_CHARACTERS_MAX = 2_000  # a longer line is data, not prose; what follows is not looked at
_FRONT_LINES_MAX = 200
_HEADING = re.compile(r"^ {0,3}(#{1,6}(?=[ \t]|$)|#{2,6}(?=\w))[ \t]*(.*?)[ \t]*#*[ \t]*$")
_HEADING_ADOC = re.compile(r"^(={1,6})[ \t]+(\S.*?)[ \t]*$")
_HEADING_HTML = re.compile(r"^\s*<h([1-6])\b[^>]*>(.*?)</h\1>\s*$", re.IGNORECASE)
_UNDERLINE = re.compile(r"^ {0,3}(=+|-{3,})[ \t]*$")
_FENCE = re.compile(r"^\s*(?:>\s*|[-*+]\s+|\d+[.)]\s+)?(`{3,}|~{3,})(.*)$")
_FENCE_ADOC = re.compile(r"^(-{4,}|\.{4,})[ \t]*$")
_TAG = re.compile(r"<%.*?%>|<!--.*?-->|\{\{[<%].*?[%>]\}\}")


class Sort(StrEnum):
    FRONT = "front"
    HEADING = "heading"
    CODE = "code"
    PROSE = "prose"
    COMMENT = "comment"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a page. `number` counts from 1; `level` is 1 to 6 for headings, 0 for the rest."""

    number: int
    sort: Sort
    text: str
    level: int = 0


def split_lines(text: str) -> list[str]:
    """Lines as an editor counts them: ended by a line feed, with or without a carriage return."""
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return lines[:-1] if lines and not lines[-1] else lines


def classify(lines: Sequence[str], *, adoc: bool = False) -> Iterator[Line]:
    """Each line with its sort. An unclosed fence or comment reaches to the end, as it does when shown."""
    first = _front_matter(lines)
    yield from (Line(n, Sort.FRONT, text) for n, text in enumerate(lines[:first], start=1))
    fence, commented, number = "", False, first
    while number < len(lines):
        text = lines[number][:LINE_CHARACTERS_MAX]
        number += 1
        if fence:
            closing = text.strip().lstrip("> ")
            closed = closing.startswith(fence) and not closing.strip(fence[0])
            yield Line(number, Sort.COMMENT if closed else Sort.CODE, "" if closed else text)
            fence = "" if closed else fence
        elif commented:
            commented = "-->" not in text
            yield Line(number, Sort.COMMENT, text)
        elif opened := (_FENCE_ADOC if adoc else _FENCE).match(text):
            fence = opened[1]
            yield Line(number, Sort.COMMENT, "")
        else:
            bare = _TAG.sub(" ", text) if ">" in text or "}" in text else text
            commented = "<!--" in bare
            below = lines[number] if number < len(lines) else ""
            yield _outside(number, bare.split("<!--")[0], text, below, adoc)


def _outside(number: int, bare: str, raw: str, below: str, adoc: bool) -> Line:
    if not bare.strip():
        return Line(number, Sort.COMMENT if raw.strip() else Sort.PROSE, raw)
    if (match := _HEADING.match(bare)) or (adoc and (match := _HEADING_ADOC.match(bare))):
        return Line(number, Sort.HEADING, match[2], len(match[1]))
    if match := _HEADING_HTML.match(bare):
        return Line(number, Sort.HEADING, re.sub(r"<[^>]*>", "", match[2]), int(match[1]))
    if not adoc and (match := _UNDERLINE.match(below)) and re.match(r"^ {0,3}[^\s>|*+#-]", bare):
        return Line(number, Sort.HEADING, bare.strip(), 1 if match[1][0] == "=" else 2)
    return Line(number, Sort.PROSE, bare)


def _front_matter(lines: Sequence[str]) -> int:
    """How many lines the front matter takes, its fences included; 0 when there is none."""
    if not lines or lines[0].strip() not in ("---", "+++"):
        return 0
    for number, text in enumerate(lines[1:_FRONT_LINES_MAX], start=2):
        if text.strip() == lines[0].strip():
            return number
    return 0
