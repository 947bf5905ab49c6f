"""Citations: what they look like, and what happens to a claim whose citations do not hold.

    incident:<id>                     a record of the tracker
    commit:<sha>                      a commit, 7 to 64 hexadecimal digits
    metric:<promql or series>@<time>  a value at a Unix time in seconds
    runbook:<path>:<line>             a line (from 1) of a page or rules file

Whether a well-formed citation exists in its source was looked up where the source is; here that verdict is carried out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from actors.specialists.findings import Finding

LENGTH_MAX = 4_000  # characters; a selector may be long, and a whole page is no citation
_SHA = re.compile(r"[0-9a-f]{7,64}")
_TIME = re.compile(r"[0-9]{1,13}(?:\.[0-9]{1,9})?")
_LINE = re.compile(r"[0-9]{1,9}")
MALFORMED = "malformed"
UNRESOLVED = "not found in its source"


@dataclass(frozen=True, slots=True)
class Citation:
    """`reference` is the record's id, the commit's sha, the query or the page's path; `at` a Unix time or a line."""

    kind: str
    reference: str
    at: float | None = None


@dataclass(frozen=True, slots=True)
class Struck:
    """Citations of one claim that do not hold, and whether the claim fell with them."""

    claim: str
    source: str
    citations: tuple[tuple[str, str], ...]  # each with the reason
    whole: bool


def parse_citation(text: str) -> Citation | None:
    """A citation's parts, or None when the text is none."""
    kind, colon, rest = text.partition(":")
    if not colon or not rest or len(text) > LENGTH_MAX or rest != rest.strip() or not text.isprintable():
        return None
    if kind == "incident":
        return Citation(kind, rest)
    if kind == "commit":
        return Citation(kind, rest) if _SHA.fullmatch(rest) else None
    if kind == "metric":
        return _placed(kind, *rest.rpartition("@")[::2])
    return _placed(kind, *rest.rpartition(":")[::2]) if kind == "runbook" else None


def _placed(kind: str, reference: str, place: str) -> Citation | None:
    pattern, least = (_TIME, 0) if kind == "metric" else (_LINE, 1)
    if not reference.strip() or not pattern.fullmatch(place) or float(place) < least:
        return None
    return Citation(kind, reference, float(place))


def strike(findings: Iterable[Finding], source: str, unresolved: Collection[str]) -> tuple[list[Finding], list[Struck]]:
    """The findings that stand, with the citations that hold, and all that was struck out.

    A claim with one citation that holds stands on it; a claim without any falls.
    """
    kept: list[Finding] = []
    struck: list[Struck] = []
    for finding in findings:
        judged = [(citation, _fault(citation, unresolved)) for citation in dict.fromkeys(finding.citations)]
        good = [citation for citation, fault in judged if fault is None]
        bad = tuple((citation, fault) for citation, fault in judged if fault is not None)
        if good:
            kept.append(finding.model_copy(update={"citations": good}))
        if bad:
            struck.append(Struck(finding.claim, source, bad, whole=not good))
    return kept, struck


def _fault(citation: str, unresolved: Collection[str]) -> str | None:
    if parse_citation(citation) is None:
        return MALFORMED
    return UNRESOLVED if citation in unresolved else None
