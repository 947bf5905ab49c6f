"""Incidents that are one problem under several titles: grouped by stated causes, or else by the words they share."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import log, sqrt

from actors.tools.incidents.judgement import Judged
from actors.tools.incidents.types import Incident

STATED, CATEGORY, SIMILAR = "stated cause", "cause category", "similar words"
STRENGTH = {STATED: 1.0, CATEGORY: 0.6, SIMILAR: 0.6}  # two deploys that went wrong are not yet one problem
ALIKE_MIN = {STATED: 0.42, CATEGORY: 0.999, SIMILAR: 0.5}  # cosine
CATEGORY_WORDS_MAX = 2  # `bad_deploy` sorts incidents, `pool exhausted by leaked sessions` explains one
RECORDS_MAX = 300  # of one service, the latest: the comparison is pairwise
BODY_CHARACTERS_MAX = 1_500
_STOP_WORDS = """
    the and for with from that this was were are had has have been not but its our into after before again all some
    when while which who during due because their they them then than also one two three first last new old incident
    outage down issue problem error errors fault failed failing failure failures service services system user users
    customer customers alert http https www com org impact resolution resolved restored detected identified
    investigating declared repaired caused cause root day hour hours minute minutes time timeline status severity key
    events context review actions action team affected known unknown tbd none pending under investigation yet
    unavailable several many short brief
"""
_STOP = frozenset(_STOP_WORDS.split())
_NO_CAUSE = re.compile(
    r"^\W*(?:unknown|none|n/?a|tbd|tbc|null|pending|not (?:yet )?known|undetermined|under investigation|-*|\?*)\W*$",
    re.I,
)
_ENDINGS = ("ations", "ation", "ions", "ion", "ings", "ing", "ies", "ied", "ed", "es", "s", "e", "y")


@dataclass(frozen=True, slots=True)
class Words:
    """How many records of a tracker a word is in: what is in all of them tells none of them apart."""

    records: int
    counts: Mapping[str, int]

    @classmethod
    def of(cls, records: Iterable[Incident]) -> Words:
        counts: Counter[str] = Counter()
        told = [set(_tokens(f"{record.cause} {_story(record)}")) for record in records]
        for tokens in told:
            counts.update(tokens)
        return cls(len(told), counts)

    def weighed(self, tokens: Iterable[str]) -> Mapping[str, float]:
        """A text as a vector of length 1; empty without a telling word."""
        weights = {token: log(1 + self.records / max(self.counts.get(token, 1), 1)) for token in sorted(set(tokens))}
        length = sqrt(sum(weight * weight for weight in weights.values()))
        return {token: weight / length for token, weight in weights.items()} if length else {}


@dataclass(slots=True)
class Group:
    """Records of one cause; `basis` says what they were grouped by."""

    basis: str
    members: list[Judged] = field(default_factory=list)
    vectors: list[Mapping[str, float]] = field(default_factory=list)

    def likeness(self, vector: Mapping[str, float]) -> float:
        """The mean cosine to the members."""
        return sum(_cosine(vector, other) for other in self.vectors) / len(self.vectors)

    def score(self, start_s: float) -> float:
        """How much the repetition weighs: repeats (those before the window by half) times the usual harm's root."""
        inside = [judged for judged in self.members if _at(judged) > start_s]
        times = len(inside) + 0.5 * (len(self.members) - len(inside))
        usual = sum(judged.harm for judged in self.members) / len(self.members)
        return STRENGTH[self.basis] * max(times - 1.0, 0.0) * sqrt(usual)


def groups_of(judged: Sequence[Judged], words: Words, *, own: Iterable[str], start_s: float) -> list[Group]:
    """Groups of two or more own incidents, at least one of them after `start_s`, heaviest first."""
    names = "|".join(re.sub(r"[\W_]+", "", name.casefold()) for name in own)  # `MySQL` is in `my-sql-playground`
    groups: list[Group] = []
    for each in [j for j in judged if j.is_own and j.hurt][-RECORDS_MAX:]:
        basis, tokens = _told(each.incident)
        vector = words.weighed(token for token in tokens if token not in names)
        if vector:
            _place(groups, each, basis, vector)
    repeated = [g for g in groups if len(g.members) > 1 and any(_at(judged) > start_s for judged in g.members)]
    return sorted(repeated, key=lambda g: (-g.score(start_s), g.members[0].incident.id))


def cause_of(group: Group) -> str:
    """The group's cause in the words of its latest member."""
    latest = group.members[-1].incident
    return latest.title if group.basis is SIMILAR else latest.cause


def _place(groups: list[Group], judged: Judged, basis: str, vector: Mapping[str, float]) -> None:
    likest = max((g for g in groups if g.basis == basis), key=lambda g: g.likeness(vector), default=None)
    if likest is None or likest.likeness(vector) < ALIKE_MIN[basis]:
        likest = Group(basis)
        groups.append(likest)
    likest.members.append(judged)
    likest.vectors.append(vector)


def _told(incident: Incident) -> tuple[str, list[str]]:
    if not incident.cause or _NO_CAUSE.match(incident.cause):
        return SIMILAR, _tokens(_story(incident))
    if len(re.findall(r"[^\W_]+", incident.cause)) <= CATEGORY_WORDS_MAX:
        return CATEGORY, [_stem(word) for word in re.findall(r"[^\W_]+", incident.cause.lower())]
    return STATED, _tokens(incident.cause)


def _story(incident: Incident) -> str:
    return f"{incident.title}\n{incident.body[:BODY_CHARACTERS_MAX]}"


def _tokens(text: str) -> list[str]:
    return [_stem(word) for word in re.findall(r"[^\W\d_]{3,}", text.casefold()) if word not in _STOP]


def _stem(word: str) -> str:
    ending = next((e for e in _ENDINGS if word.endswith(e) and len(word) - len(e) >= 4), "")
    return word[: len(word) - len(ending)]


def _cosine(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    small, large = (one, other) if len(one) <= len(other) else (other, one)
    return sum(weight * large.get(token, 0.0) for token, weight in small.items())


def _at(judged: Judged) -> float:
    return judged.incident.at_s or 0.0
