"""Incidents as people write them up: free Markdown, of which the facts are found by the words in front of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from actors.tools.incidents.times import MOMENT, duration_in, moment_in

# What a label means, first match first: the words that teams put before a fact in post-mortems and incident logs.
LABELS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (field, re.compile(rf"(?:{words})$"))
    for field, words in (
        ("duration", r"time to (?:resolve|resolution|restore|recover|recovery)|(?:total |outage |incident )?duration"),
        ("duration", r"(?:total )?downtime|ttr|mttr"),
        ("time_to_repair", r"time to (?:repair|fix|mitigate|mitigation)"),
        (
            "began",
            r"fault (?:occurs|occurred|began|started)|(?:impact |outage |incident )?(?:start(?:ed|s)?|began|begin)",
        ),
        ("began", r"(?:impact |outage |incident )?start(?:ed)? (?:at|time|date)|occurred(?: at)?|incident start"),
        (
            "detected",
            r"(?:first |fault |issue |problem )?detected(?: at)?|detection(?: time)?|first (?:alert|report)(?:ed)?",
        ),
        (
            "declared",
            r"(?:incident )?(?:declared|reported|opened|raised)(?: at)?|date|when|date and time|incident date",
        ),
        (
            "ended",
            r"(?:incident |issue |fully )?resolved(?: at| on)?|(?:impact |outage )?end(?:ed|s)?(?: at| time)?",
        ),
        (
            "ended",
            r"(?:service )?(?:restored|recovered)(?: at)?|resolution time|closed(?: at)?|all clear|recovery(?: time)?",
        ),
        ("repaired", r"(?:incident |issue )?(?:repaired|mitigated|fixed|fix applied)(?: at)?"),
        ("severity", r"(?:incident )?(?:severity|sev|priority)(?: level)?|impact level"),
        ("unresolved", r"not (?:yet )?resolved(?: yet)?|still (?:open|ongoing|unresolved)|ongoing|unresolved"),
        ("status", r"(?:incident |current )?(?:status|state)"),
        ("kind", r"(?:incident )?(?:type|kind)"),
        ("caused_by", r"caused by|caused by service|originating service|upstream(?: service)?"),
        (
            "root_cause",
            r"(?:root |probable |likely |underlying )?causes?(?: category)?|root cause analysis|what went wrong",
        ),
        (
            "affected",
            r"(?:also )?(?:affected|impacted)(?: services?| components?| systems?)?|(?:services?|components?) affected",
        ),
        ("service", r"services?|components?|applications?"),
    )
)
STARTS, ENDS = ("began", "detected", "declared"), ("ended", "repaired")
VALUE_CHARACTERS_MAX = 400
LINE_CHARACTERS_MAX = 4_000
_LABEL = re.compile(
    r"^(?P<label>[A-Za-z][A-Za-z /_()-]{1,38}?)"
    r"\s*(?:[:|=–—]|\s-\s|(?=\s\d{4}[-/.]\d|\s\d{1,2}:\d{2}\b)|$)\s*(?P<value>.*)$"
)
_FENCED = re.compile(r"^\s*(?:```|~~~)")
_HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*\s*$")


def labelled(text: str, *, day_s: float | None = None) -> dict[str, object]:
    """The facts of a page under field names that `incident_of` knows; times are Unix seconds.

    `day_s` is a time of the day to which bare clock times belong, when the page itself names no day before them.
    """
    found = _facts(text)
    record: dict[str, object] = {
        field: found[field]
        for field in ("severity", "status", "kind", "caused_by", "root_cause", "service", "affected")
        if field in found
    }
    started_at_s = _first_time(found, STARTS, day_s)
    ended_at_s = _first_time(found, ENDS, started_at_s if started_at_s is not None else day_s)
    if ended_at_s is None and "status" in found:
        ended_at_s = moment_in(found["status"]) if "resolved" in found["status"].lower() else None
    if "unresolved" in found and ended_at_s is None:
        record["status"] = "open"
    if started_at_s is not None:
        record["started_at"] = started_at_s
    if ended_at_s is not None:
        record["resolved_at"] = ended_at_s
    duration = next((found[name] for name in ("duration", "time_to_repair") if name in found), "")
    if duration_in(duration) is not None:
        record["duration"] = duration
    return record


def headed(text: str) -> Iterator[tuple[int, str, str]]:
    """Headings outside of code: level, words and the text from there to the next heading of that level or above."""
    lines, marks, fenced = text.split("\n"), list[tuple[int, int, str]](), False
    for number, line in enumerate(lines):
        fenced ^= bool(_FENCED.match(line))
        heading = None if fenced else _HEADING.match(line)
        if heading:
            marks.append((number, len(heading[1]), plain(heading[2])))
    for place, (number, level, words) in enumerate(marks):
        end = next((n for n, other, _ in marks[place + 1 :] if other <= level), len(lines))
        yield level, words, "\n".join(lines[number + 1 : end])


def plain(text: str) -> str:
    """A line without its Markdown: bullets, emphasis, table bars, links."""
    bare = re.sub(r"!?\[([^\[\]]{0,300})\]\([^()]{0,2000}\)", r"\1", text[:LINE_CHARACTERS_MAX])
    bare = re.sub(r"^[\s>#|+*-]+|[*`]+|(?<!\w)__?|__?(?!\w)", "", bare)
    return re.sub(r"\s+", " ", bare).strip(" |")


def _facts(text: str) -> Mapping[str, str]:
    """What stands behind the known labels; of two with the same meaning the first counts."""
    facts: dict[str, str] = {}
    open_field, fenced = "", False
    for line in text.split("\n"):
        fenced ^= bool(_FENCED.match(line))
        bare = "" if fenced else plain(line)
        if not bare:
            continue
        field, value = _fact(bare)
        if field == "unresolved":
            facts[field] = bare
        elif field:
            open_field = field if field not in facts and not value else ""
            if value:
                facts.setdefault(field, value[:VALUE_CHARACTERS_MAX])
        elif _opens_another(line):
            open_field = ""
        elif open_field:  # the value stands below its label
            facts[open_field] = bare[:VALUE_CHARACTERS_MAX]
            open_field = ""
    return facts


def _fact(bare: str) -> tuple[str, str]:
    match = _LABEL.match(bare)
    if match is None:
        return "", ""
    label = match["label"].strip().lower()
    field = next((field for field, words in LABELS if words.match(label)), "")
    return field, match["value"].strip()


def _opens_another(line: str) -> bool:
    return bool(_HEADING.match(line) or re.match(r"^\s*[-*]\s+\*\*", line))


def _first_time(found: Mapping[str, str], fields: tuple[str, ...], day_s: float | None) -> float | None:
    for field in fields:
        if field in found and (at_s := moment_in(found[field], day_of_s=day_s)) is not None:
            return at_s
    return None


def dated(text: str) -> bool:
    return MOMENT.search(text) is not None
