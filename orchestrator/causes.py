"""What a problem's cause goes under: the service that it names, or the words that most services tell it in."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from orchestrator.briefs import Brief, Problem
from orchestrator.claims import Claim
from orchestrator.estate import named, names_of

# Two causes are one when they have so many words in common, and so much of all of their words.
SHARED_MIN, ALIKE_MIN = 4, 0.6
_WORD = re.compile(r"\w+")
_LITTLE_WORDS = (
    "a after an and are as at be been before by during for from had has have in into is it its of on or our still that "
    "the their them then they this to us was we were when which while with"
)
_LITTLE = frozenset(_LITTLE_WORDS.split())


@dataclass(frozen=True, slots=True)
class Causes:
    """Of a whole estate. `services` are its services by lower case, `names` what a cause goes under as it is told."""

    services: Mapping[str, str]
    names: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, briefs: Iterable[Brief]) -> Causes:
        """The same services in any order give the same names."""
        known = list(briefs)
        services = names_of(known)
        told = Counter(
            cause
            for brief in known
            for cause in {_told(p) for p in brief.problems if p.points > 0 and not _service(p, services)} - {""}
        )
        return cls(services, _one_name_each(sorted(told, key=lambda cause: (-told[cause], cause))))

    def name(self, problem: Problem | Claim) -> str:
        """A symptom goes under the service that causes it. "" for a problem that names no cause."""
        told = _told(problem)
        return _service(problem, self.services) or self.names.get(told, told)


def _service(problem: Problem | Claim, services: Mapping[str, str]) -> str:
    return named(problem.cause, services) if problem.role == "symptom" else ""


def _told(problem: Problem | Claim) -> str:
    return " ".join(problem.cause.casefold().split())


def _one_name_each(causes: Iterable[str]) -> dict[str, str]:
    """For each cause that is told like one before it in the list, that one."""
    heads: dict[str, frozenset[str]] = {}
    with_word: dict[str, list[str]] = {}
    names: dict[str, str] = {}
    for cause in causes:
        words = frozenset(_WORD.findall(cause)) - _LITTLE
        shared = Counter(head for word in words for head in with_word.get(word, ()))
        alike = {head: count / len(words | heads[head]) for head, count in shared.items() if count >= SHARED_MIN}
        best = min(alike, key=lambda head: (-alike[head], head), default="")
        if best and alike[best] >= ALIKE_MIN:
            names[cause] = best
            continue
        heads[cause] = words
        for word in words:
            with_word.setdefault(word, []).append(cause)
    return names
