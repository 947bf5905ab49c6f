"""Causes that are told in other words: what is the same has one name, and what is not keeps its own."""

from __future__ import annotations

import random

import pytest

from orchestrator.briefs import brief_of
from orchestrator.causes import Causes
from orchestrator.evidence import Evidence
from orchestrator.groups import by_cause
from support.answers import a_finding, an_answer, evidence_of, ranked

POISON = "A poison message in the retry queue blocked the consumer group"


def service(name: str, cause: str, role: str = "cause") -> Evidence:
    return evidence_of(an_answer(a_finding(cause=cause, role=role), service=name), service=name)


def causes_of(*told: str) -> list[list[str]]:
    """Which of these causes come to one, each told by a service of its own."""
    groups = by_cause(ranked(*(service(f"s{number}", cause) for number, cause in enumerate(told))))
    return [sorted(group.services) for group in groups]


@pytest.mark.parametrize(
    "other",
    [
        "consumer group blocked by a poison message in the retry queue",
        "The retry queue's consumer group was blocked: poison message",
        "a  POISON message in the retry queue blocked the consumer group",
    ],
)
def test_the_same_words_in_another_order_are_one_cause(other: str) -> None:
    """Whoever writes a review does not look up how the last one put it."""
    assert causes_of(POISON, other) == [["s0", "s1"]]


@pytest.mark.parametrize(
    "other",
    [
        "a slow disk in the retry queue's store",
        "poison message",
        "no canary",
        "the consumer group was never told of the new schema, so a message was dropped",
    ],
)
def test_a_few_words_in_common_make_no_common_cause(other: str) -> None:
    """Short causes are compared letter by letter; long ones must share most of what they say."""
    assert causes_of(POISON, other) == []


def test_a_cause_goes_under_the_words_that_most_services_use() -> None:
    """In any order of the services."""
    told = [POISON] * 3 + ["consumer group blocked by a poison message in the retry queue"] * 2
    services = [service(f"s{number}", cause) for number, cause in enumerate(told)]

    names = set()
    for seed in range(10):
        dice = random.Random(seed)
        groups = by_cause(ranked(*dice.sample(services, len(services))))
        names.add((groups[0].name, len(groups[0].services), len(groups)))

    assert names == {(POISON.casefold(), 5, 1)}


def test_a_symptom_goes_under_the_service_that_causes_it() -> None:
    """However its cause is told after the service's name."""
    services = [
        service("db", ""),
        service("web", "db: connections ran out", "symptom"),
        service("api", "component:DB", "symptom"),
    ]

    causes = Causes.of(map(brief_of, services))

    assert [causes.name(brief_of(one).problems[0]) for one in services] == ["", "db", "db"]
