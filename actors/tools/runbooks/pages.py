"""What a runbook page says: its title, sections, links, review date, and whether somebody could act on it. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from posixpath import basename, dirname

from actors.tools.runbooks.dates import Review, review_of
from actors.tools.runbooks.lines import Line, Sort, classify, split_lines
from actors.tools.runbooks.links import Link, anchors_in, generated, links_in
from actors.tools.runbooks.substance import LINKED, WORDS_MIN, Substance, substance_of
from actors.tools.runbooks.words import squeezed, tokens

PAGE_SUFFIXES = (".html.md.erb", ".md.erb", ".markdown", ".mdx", ".md", ".adoc", ".asciidoc")
RESPONSE_TERMS_MIN = 3  # different words of incident response that tell a runbook from a build manual
SECTIONS_MAX = 2_000  # more headings than that are a generated list
_RESPONSE_TERM = re.compile(
    r"\b(troubleshoot|diagnos|mitigat|remediat|symptom|incident|outage|alert|escalat|pager|on-?call|recover|degrad|"
    r"fail(?:s|ed|ing|ure|over)|restart|roll ?back|rolled back|drain|scale (?:up|down|out)|saturat|latenc|error rate|"
    r"root cause|silence|unavailable|is down|crash|throttl|restore|stuck|timeouts?|investigat)",
    re.IGNORECASE,
)
_WORD = re.compile(r"\b[A-Za-z]\w*")
_FRONT = re.compile(r"^\s*['\"]?([A-Za-z][\w .-]{0,40}?)['\"]?\s*[:=]\s*(.+?)\s*$")
_CONTENTS = frozenset(("", "toc", "tableofcontents", "contents", "index"))  # headings that do not title a page


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with all that stands below it, down to the next heading of its level."""

    line: int
    title: str
    name: str  # squeezed
    words: frozenset[str]
    substance: Substance


@dataclass(frozen=True, slots=True)
class Page:
    """One page. `path` is relative to the manifest's folder; lines count from 1."""

    path: str
    line_count: int
    title: str
    title_line: int
    sections: tuple[Section, ...]
    links: tuple[Link, ...]
    anchors: frozenset[str] | None  # squeezed; None: some are generated, so none can be called missing
    identifiers: frozenset[str]  # squeezed CamelCase and snake_case words: what alerts and metrics are called
    topic: frozenset[str]  # meaning words of file name, title and headings
    substance: Substance
    response_terms: int
    review: Review | None = field(default=None)

    @property
    def stem(self) -> str:
        return page_stem(self.path)

    @property
    def usable(self) -> bool:
        return not self.substance.lack

    @property
    def operational(self) -> bool:
        """A runbook, and not a build manual or a design: usable, and written in the words of incident response."""
        return self.usable and self.response_terms + self.substance.response >= RESPONSE_TERMS_MIN

    @property
    def index(self) -> bool:
        """A page whose content is its links: it is not thin, it points on."""
        within = [link for link in self.links if not link.external]
        return len(self.links) >= 3 or (self.substance.words < WORDS_MIN and bool(within))

    def cite(self, line: int | None = None) -> str:
        return f"runbook:{self.path}:{line or self.title_line}"


def page_stem(path: str) -> str:
    name = basename(path)
    for suffix in PAGE_SUFFIXES:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name


def parse_page(path: str, text: str) -> Page:
    """A page as the audit sees it. Never raises: whatever the text is, it is a page."""
    raw = split_lines(text)
    lines = list(classify(raw, adoc=path.lower().endswith((".adoc", ".asciidoc"))))
    front = _front(lines)
    stem = page_stem(path)
    substances = [substance_of(line) for line in lines]
    sections = _sections(lines, substances)
    title, title_line = _title(front, sections, stem)
    shown = [line for line in lines if line.sort in (Sort.PROSE, Sort.HEADING)]
    prose = "\n".join(line.text for line in shown)
    name = basename(dirname(path)) if squeezed(stem) in ("readme", "index") else stem
    return Page(
        path=path,
        line_count=len(raw),
        title=title[:200],
        title_line=title_line,
        sections=sections,
        links=tuple(links_in(lines)),
        anchors=None if generated(text) else anchors_in(lines) | {section.name for section in sections},
        identifiers=frozenset(squeezed(word) for word in _WORD.findall(prose) if _is_identifier(word)),
        topic=tokens(f"{name} {title}").union(*(section.words for section in sections)),
        substance=Substance.total(substances),
        response_terms=len({match.lower() for match in _RESPONSE_TERM.findall(prose)}),
        review=review_of(front, ((ln.number, ln.text) for ln in lines if ln.sort not in (Sort.FRONT, Sort.CODE))),
    )


def _is_identifier(word: str) -> bool:
    return "_" in word or not (word.islower() or word[1:].islower())


def _front(lines: Sequence[Line]) -> dict[str, tuple[int, str]]:
    """Keys of the front matter (YAML, TOML) and of an AsciiDoc header (`:revdate: …`), with line and value."""
    found: dict[str, tuple[int, str]] = {}
    for line in lines:
        attribute = line.sort is Sort.PROSE and line.number <= 30 and line.text.startswith(":")
        if line.sort is Sort.FRONT or attribute:
            match = _FRONT.match(line.text.removeprefix(":"))
            if match:
                found.setdefault(match[1], (line.number, match[2].strip("'\"")))
    return found


def _title(front: dict[str, tuple[int, str]], sections: Sequence[Section], stem: str) -> tuple[str, int]:
    telling = [section for section in sections if section.name not in _CONTENTS]
    if telling:
        return telling[0].title, telling[0].line
    line, title = front.get("title", (1, stem))
    return title, line


def _sections(lines: Sequence[Line], substances: Sequence[Substance]) -> tuple[Section, ...]:
    starts = [n for n, line in enumerate(lines) if line.sort is Sort.HEADING][:SECTIONS_MAX]
    levels = [lines[start].level for start in starts]
    found = []
    for n, start in enumerate(starts):
        end = next((starts[m] for m in range(n + 1, len(starts)) if levels[m] <= levels[n]), len(lines))
        text = re.sub(r"\{#[^}]*\}", "", LINKED.sub(r"\1", lines[start].text)).strip(" *_`")
        substance = Substance.total(substances[start:end])
        found.append(Section(lines[start].number, text[:200], squeezed(text), tokens(text), substance))
    return tuple(found)
