"""What a runbook page says: its title, sections, links, review date, and whether somebody could act on it. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from posixpath import basename, dirname

from actors.tools.runbook_dates import Review, review_of
from actors.tools.runbook_lines import Line, Sort, classify, split_lines
from actors.tools.runbook_links import Link, anchors_in, generated, links_in
from actors.tools.runbook_words import squeezed, tokens

PAGE_SUFFIXES = (".html.md.erb", ".md.erb", ".markdown", ".mdx", ".md", ".adoc", ".asciidoc")
WORDS_MIN = 20  # below this a page or a section is a stub: two sentences name a problem, they do not mend it
PLACEHOLDER_WORDS_MAX = 80  # a TODO in a longer text is a remark, in a shorter one it is the content
RESPONSE_TERMS_MIN = 3  # different words of incident response that tell a runbook from a build manual

_RESPONSE_HEADING = re.compile(
    r"diagnos|troubleshoot|mitigat|remedi|resol(?:v|ution)|symptom|what to do|next steps|investigat|recover|roll ?back|"
    r"steps|procedure|how to|actions?\b|checks?\b|verif|debug|playbook|response|escalat|fix|workaround|impact",
    re.IGNORECASE,
)
_RESPONSE_TERM = re.compile(
    r"\b(troubleshoot|diagnos|mitigat|remediat|symptom|incident|outage|alert|escalat|pager|on-?call|recover|degrad|"
    r"fail(?:s|ed|ing|ure|over)|restart|roll ?back|rolled back|drain|scale (?:up|down|out)|saturat|latenc|error rate|"
    r"root cause|silence|unavailable|is down|crash|throttl|restore|stuck|timeouts?|investigat)",
    re.IGNORECASE,
)
_VERBS = (
    "check verify run restart look inspect ensure roll rollback revert scale drain confirm open go execute contact "
    "escalate page find identify determine stop start kill delete remove increase decrease reduce raise disable enable "
    "try wait log ssh connect query review compare add fix free failover switch apply set make if once see follow "
    "investigate collect silence notify tell ask update reboot redeploy deploy clear flush rotate renew restore promote"
)
_STEP = re.compile(
    rf"(?:^|[.;:!]\s+)(?:then |first,? |next,? |finally,? )?(?:{'|'.join(_VERBS.split())})\b", re.IGNORECASE
)
_ORDERED = re.compile(r"^\s*(?:\d+[.)]|\.{1,3})\s+\S")
_BULLET = re.compile(r"^\s*(?:[-*+]|\d+[.)]|\.{1,3})\s+(?:\[[ xX]\]\s+)?")
_COMMAND = re.compile(
    r"`[^`\n]+ [^`\n]+`|^\s*\$ \S|^(?: {4,}|\t)(?:\$ |sudo |[a-z][\w.-]+ -{1,2}\w|[a-z][\w-]+ [a-z][\w-]+ )"
)
_PLACEHOLDER = re.compile(
    r"\b(?:TODO|TBD|TBC|FIXME|WIP)\b|(?i:to be (?:written|done|documented|completed|added|defined)|coming soon|"
    r"lorem ipsum|under construction|work in progress|fill (?:this|me) in|write me\b|placeholder (?:page|text)|"
    r"not (?:yet )?written)"
)
_IDENTIFIER = re.compile(r"\b[A-Za-z][A-Za-z0-9]*(?:[A-Z_][A-Za-z0-9]*)+\b")
_FRONT = re.compile(r"^\s*['\"]?([A-Za-z][\w .-]{0,40}?)['\"]?\s*[:=]\s*(.+?)\s*$")
_CONTENTS = frozenset(("", "toc", "tableofcontents", "contents", "index"))  # headings that do not title a page
_LINKED = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|https?://\S+|<[^>]*>")


@dataclass(frozen=True, slots=True)
class Substance:
    """How much there is to act on. `steps` are numbered items and imperative sentences, `commands` lines of code."""

    words: int = 0
    steps: int = 0
    commands: int = 0
    response: int = 0  # headings of incident response
    placeholder_line: int = 0  # of the first TODO; 0: none

    @staticmethod
    def total(parts: Sequence[Substance]) -> Substance:
        return Substance(
            sum(part.words for part in parts),
            sum(part.steps for part in parts),
            sum(part.commands for part in parts),
            sum(part.response for part in parts),
            next((part.placeholder_line for part in parts if part.placeholder_line), 0),
        )

    @property
    def lack(self) -> str:
        """Why nobody could act on this, or an empty string when somebody could."""
        if self.placeholder_line and self.words < PLACEHOLDER_WORDS_MAX and not self.commands:
            return f"placeholder text and {self.words} words"
        if self.words + 5 * self.commands < WORDS_MIN:
            return f"only {self.words} words"
        if not self.commands and self.steps < 2 and not (self.response and self.words >= 2 * WORDS_MIN):
            return "no steps, commands or queries"
        return ""


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
    substances = [_substance(line) for line in lines]
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
        identifiers=frozenset(squeezed(word) for word in _IDENTIFIER.findall(prose)),
        topic=tokens(f"{name} {title}").union(*(section.words for section in sections)),
        substance=Substance.total(substances),
        response_terms=len({match.lower() for match in _RESPONSE_TERM.findall(prose)}),
        review=review_of(front, ((ln.number, ln.text) for ln in lines if ln.sort not in (Sort.FRONT, Sort.CODE))),
    )


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
    starts = [n for n, line in enumerate(lines) if line.sort is Sort.HEADING]
    levels = [lines[start].level for start in starts]
    found = []
    for n, start in enumerate(starts):
        end = next((starts[m] for m in range(n + 1, len(starts)) if levels[m] <= levels[n]), len(lines))
        text = re.sub(r"\{#[^}]*\}", "", _LINKED.sub(r"\1", lines[start].text)).strip(" *_`")
        substance = Substance.total(substances[start:end])
        found.append(Section(lines[start].number, text[:200], squeezed(text), tokens(text), substance))
    return tuple(found)


def _substance(line: Line) -> Substance:
    if line.sort is Sort.CODE:
        return Substance(commands=1 if line.text.strip() else 0)
    if line.sort is Sort.HEADING:
        return Substance(response=1 if _RESPONSE_HEADING.search(line.text) else 0)
    if line.sort is not Sort.PROSE or not line.text.strip():
        placeholder = line.sort is Sort.COMMENT and _PLACEHOLDER.search(line.text)
        return Substance(placeholder_line=line.number if placeholder else 0)
    said = _BULLET.sub("", _LINKED.sub(r"\1", line.text)).strip(" *_>|")
    steps = max(len(_STEP.findall(said)), 1 if _ORDERED.match(line.text) else 0)
    return Substance(
        words=len(re.findall(r"\w[\w'’-]*", said)),
        steps=steps,
        commands=len(_COMMAND.findall(line.text)),
        placeholder_line=line.number if _PLACEHOLDER.search(line.text) else 0,
    )
