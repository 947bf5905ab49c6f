"""The words of many trackers, on closed scales; and which words of a text are causes, services, or all-clear."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TypeVar

from actors.tools.incidents.types import Kind, Severity, Status

# Words of public trackers and status pages: Statuspage, cState, PagerDuty, Opsgenie, Jira, GitLab, ServiceNow, Upptime.
# The first line of which a word occurs decides, so "minor outage" is minor and "partial outage" is major.
SEVERITY_WORDS: tuple[tuple[Severity, str], ...] = (
    (Severity.MINOR, "noncritical noncrit"),
    (Severity.CRITICAL, "critical crit catastrophic blocker emergency fatal disaster severe highest"),
    (Severity.MAJOR, "partial disrupted disruption high important error"),
    (Severity.MINOR, "minor medium moderate normal degraded average"),
    (Severity.INFO, "low lowest notice warning warn trivial cosmetic"),
    (Severity.CRITICAL, "down outage unavailable"),
    (Severity.MAJOR, "major significant urgent"),
    (Severity.INFO, "info informational information none operational maintenance ok up"),
)
STATUS_WORDS: tuple[tuple[Status, str], ...] = (
    (Status.OPEN, "unresolved reopened"),
    (
        Status.RESOLVED,
        "resolved closed fixed done complete completed postmortem mitigated recovered restored solved finished "
        "autoresolved selfresolved ended ok up success verified",
    ),
    (
        Status.OPEN,
        "open opened ongoing active new triggered firing investigating identified monitoring acknowledged ack "
        "progress inprogress started mitigating pending assigned down todo hold watching",
    ),
)
KIND_WORDS: tuple[tuple[Kind, str], ...] = (
    (Kind.DISMISSED, "duplicate dup invalid rejected cancelled canceled falsepositive falsealarm wontfix spam noise"),
    (Kind.PLANNED, "maintenance planned scheduled drill exercise gameday test"),
    (
        Kind.REFERENCE,
        "reference references mention task chore documentation docs epic story question feature request discussion "
        "change changerequest",
    ),
    (Kind.ALERT, "alert alarm page notification flap flapping selfhealed autoresolved selfresolved selfhealing"),
)
_NUMBERED = re.compile(r"^(?:s|p|sev|severity|prio|priority|level|impact|urgency|tier|incident)?[\s:_#-]*([0-5])\b")
_BY_NUMBER = (
    Severity.CRITICAL,
    Severity.CRITICAL,
    Severity.MAJOR,
    Severity.MINOR,
    Severity.INFO,
    Severity.INFO,
)  # 0 to 5: SEV0, P1, "severity::2", "3 - Moderate"
_JOINED = re.compile(r"\b(non|self|auto|in|false|wont|game|change)[\s_-]+(?=[a-z])")
_WORD = re.compile(r"[a-z]+")
_TAGS_WORDS_MAX = 4  # a longer text is a sentence about the incident, not a word of a scale

# Words of causes, not of services: a `caused_by` made of these alone names no service.
_CAUSE_WORDS = """
    access application aws azure bad bot broken bug build cache capacity cert certificate change cloud code
    config configuration connection connections cpu data database db deadlock defect dependency deploy deployment
    disk dns error exception exhausted exhaustion expired expiry external failed failure false fault full gcp
    hardware human infra infrastructure internal io kernel leak limit limits load lock lost memory migration
    misconfiguration na network no node none null of oom operator other out overload partition people pool power
    process provider query queue quota race rate release restart retry rollback rollout saturation schema
    security slow software space spike storage storm third party timeout traffic true unknown unspecified update
    upgrade upstream user vendor
"""
PLANNED_TITLE = re.compile(r"^\W*(?:(?:scheduled|planned)\b|(?:maintenance|drill|game ?day)\b)", re.I)
BY_ITSELF = re.compile(
    r"\b(?:self|auto(?:matically)?)[- ]?(?:resolved|healed|recovered|closed|cleared)|\bfalse (?:alarm|positive)"
    r"|\b(?:resolved|recovered|cleared|healed) (?:by )?itself|\bflapp(?:ed|ing)\b|\bno (?:user |customer )?impact\b",
    re.I,
)
NAME_WORDS_MAX = 5  # a longer text is a sentence, not a name
CAUSE_WORDS = frozenset(_CAUSE_WORDS.split())

E = TypeVar("E", bound=StrEnum)


def severity_of(word: str) -> Severity:
    """A tracker's word or number for how bad it was, on the closed scale; unknown when it says nothing of the kind."""
    text = word.strip().lower()
    numbered = _NUMBERED.match(text)
    if numbered:
        return _BY_NUMBER[int(numbered.group(1))]
    return _first(SEVERITY_WORDS, text) or Severity.UNKNOWN


def status_of(word: str) -> Status:
    return _first(STATUS_WORDS, word) or Status.UNKNOWN


def kind_of(word: str) -> Kind | None:
    """The kind that a tracker's own word states; None for words that do not rule an incident out."""
    return _first(KIND_WORDS, word)


def service_in(text: str, *, cause_is_told: bool) -> str:
    """The service that a `caused_by` names; empty when it tells of a cause in words.

    A single word such as `payments-api` is a name unless it is a cause's word (`deploy`, `dns`); several words are
    one (`Edge Proxy`) when none of them is, or when the cause itself is told elsewhere in the record.
    """
    bare = re.sub(r"^(?:component|service|api|system)s?:\s*(?:default/)?", "", text.strip(), flags=re.I).rstrip(".")
    words = re.findall(r"[a-z]+", bare.lower())
    if not words or len(words) > NAME_WORDS_MAX or all(word in CAUSE_WORDS for word in words):
        return ""
    spaced = " " in bare
    return "" if spaced and not cause_is_told and any(word in CAUSE_WORDS for word in words) else bare


def _first(scale: tuple[tuple[E, str], ...], word: str) -> E | None:
    words = set(_WORD.findall(_JOINED.sub(r"\1", word.lower().replace("_", " ").replace("'", ""))))
    if not words or len(words) > _TAGS_WORDS_MAX:
        return None
    return next((value for value, listed in scale if words & set(listed.split())), None)
