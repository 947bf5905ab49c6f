"""Links between pages: what a page points at, and whether it is there. Pure: `exists` is asked about the disk."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from html import unescape
from posixpath import dirname, join, normpath
from urllib.parse import unquote

from actors.tools.runbooks.lines import Line, Sort
from actors.tools.runbooks.words import squeezed

LINKS_MAX = 500  # per page; more is a generated list
_INLINE = re.compile(
    r"(?<!!)\[[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)?\]\(\s*<?([^()<>\s]+(?:\([^()\s]*\)[^()<>\s]*)?)>?(?:\s[^)]*)?\)"
)
_REFERENCE = re.compile(r"^ {0,3}\[(?!\^)[^\]]+\]:\s*<?(\S+?)>?(?:\s|$)")
_HREF = re.compile(r"<a\b[^<>]*\bhref\s*=\s*[\"']?([^\"'\s>]+)", re.IGNORECASE)
_ADOC = re.compile(r"\b(?:link|xref):([^\s\[]+)\[")
_ANCHOR = re.compile(
    r"\b(?:name|id)\s*=\s*[\"']?([\w.:-]+)|\{#([\w.:-]+)[^}]*\}|\[\[([\w.:-]+)(?:,[^\]]*)?\]\]|^\s*\[#([\w.:-]+)"
)
_GENERATED = re.compile(r"<%=|\{%-?\s*include|\{\{[<%]|\{\{-?\s*(?:template|include|partial)|^include::", re.MULTILINE)
_EXTERNAL = re.compile(r"^(?:[a-z][a-z0-9+.-]*:|//)", re.IGNORECASE)
_TEMPLATED = re.compile(r"[<>{}$]|\.\.\.")
_PAGE_END = re.compile(r"\.(?:md|markdown|mdx|md\.erb|adoc|asciidoc|html?)$", re.IGNORECASE)
_HTML_END = re.compile(r"\.html?$", re.IGNORECASE)
_SUFFIXES = (".md", ".markdown", ".mdx", ".md.erb", ".html.md.erb", ".adoc", ".asciidoc")
_INDEXES = ("README.md", "index.md", "_index.md", "readme.md", "index.html.md.erb", "index.md.erb", "README.adoc")

Exists = Callable[[str], bool]  # is there a file or folder at this path, relative to the manifest's folder


class Standing(StrEnum):
    FOUND = "found"
    DEAD = "dead"
    UNCHECKED = "unchecked"  # outside of what can be seen, or made by a template


@dataclass(frozen=True, slots=True)
class Link:
    line: int
    target: str

    @property
    def path(self) -> str:
        return unquote(self.target.partition("#")[0].partition("?")[0])

    @property
    def external(self) -> bool:
        return bool(_EXTERNAL.match(self.path))

    @property
    def anchor(self) -> str:
        return squeezed(unescape(unquote(self.target.partition("#")[2])))


def links_in(lines: Sequence[Line]) -> Iterator[Link]:
    """All links of a page but its images, in order, at most LINKS_MAX."""
    found = (link for line in lines if line.sort in (Sort.PROSE, Sort.HEADING) for link in _links(line))
    for _, link in zip(range(LINKS_MAX), found, strict=False):
        yield link


def _links(line: Line) -> Iterator[Link]:
    text = re.sub(r"`[^`]*`", "", line.text)
    for pattern in (_INLINE, _REFERENCE, _HREF, _ADOC):
        for match in pattern.finditer(text):
            yield Link(line.number, match[1])


def anchors_in(lines: Sequence[Line]) -> frozenset[str]:
    """The anchors that a page sets by hand, squeezed."""
    texts = (line.text for line in lines if line.sort in (Sort.PROSE, Sort.HEADING))
    return frozenset(squeezed(next(filter(None, m.groups()))) for text in texts for m in _ANCHOR.finditer(text))


def generated(text: str) -> bool:
    """Whether a template puts content into this page that its source does not show."""
    return bool(_GENERATED.search(text))


def standing(page: str, link: Link, folder: str, exists: Exists) -> tuple[Standing, str]:
    """Where `link` of `page` leads: its standing and the path found. All paths are relative to the manifest's folder.

    Only links to pages can be dead, and only where the folder that they point into is there: a link out of what
    the audit was given, to an image, or to a route that a site generator makes is unchecked.
    """
    target = link.path
    if link.external or _TEMPLATED.search(link.target):
        return Standing.UNCHECKED, ""
    if not target:
        return Standing.FOUND, page
    starts = _roots(page, folder) if target.startswith("/") else _starts(page, target)
    for start in starts:
        for name in _names(target.lstrip("/")):
            path = normpath(join(start, name))
            if not path.startswith("..") and exists(path):
                return Standing.FOUND, path
    meant = normpath(join(dirname(page), target))
    known = not meant.startswith("..") and (_within(meant, folder) or exists(dirname(meant)))
    dead = known and not target.startswith("/") and _PAGE_END.search(target)
    return (Standing.DEAD if dead else Standing.UNCHECKED), ""


def _within(path: str, folder: str) -> bool:
    return path.startswith(f"{normpath(folder)}/")


def _starts(page: str, target: str) -> Iterator[str]:
    """Folders that a relative link may start from: the page's, or, for pretty URLs, the page as a folder."""
    yield dirname(page)
    if not _PAGE_END.search(target) or _HTML_END.search(target):
        yield re.sub(r"\.[^/]*$", "", page)


def _roots(page: str, folder: str) -> Iterator[str]:
    """A site's root may be any folder between the manifest's and the page's."""
    at = dirname(page)
    while at:
        yield at
        at = dirname(at)
    yield folder
    yield ""


def _names(target: str) -> Iterator[str]:
    """The files that a target may mean: itself, its source (`x.html` is made of `x.md`), or a folder's index."""
    bare = target.rstrip("/")
    yield target
    for stem in dict.fromkeys((bare, _HTML_END.sub("", bare))):
        yield from (stem + suffix for suffix in _SUFFIXES)
    yield from (f"{bare}/{index}" for index in _INDEXES)
    folder, _, name = bare.rpartition("/")
    if _HTML_END.sub("", name).lower() == "index":
        yield from (f"{folder}/{index}" if folder else index for index in _INDEXES)
