"""The sample estate's plan: what is dealt to whom, and that nothing but the data tells."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
import yaml

from jobs.sample.estate import Estate, Service, plan_estate
from jobs.sample.kinds import SHOWN_BY, Decoy, Planted, Source
from jobs.sample.manifest import manifest_text, truth_text
from jobs.sample.words import NAMES_MAX, service_name

SEEDS = range(30)
KNOWN = {
    "incidents",
    "incidents-format",
    "incidents-service",
    "git",
    "git-path",
    "metrics-file",
    "runbooks",
    "as-of",
    "window",
}


def forty(seed: int = 7) -> Estate:
    return plan_estate(services=40, seed=seed)


def annotations(document: Mapping[str, Mapping[str, Mapping[str, str]]]) -> dict[str, str]:
    given = document["metadata"]["annotations"]
    return {name.removeprefix("reliability-audit/"): value for name, value in given.items()}


def test_the_same_seed_plans_the_same_estate_and_another_seed_another():
    """Everything follows from the count and the seed."""
    assert forty(3) == forty(3)
    assert {service.name for service in forty(3).services} != {service.name for service in forty(4).services}


@pytest.mark.parametrize("seed", SEEDS)
def test_forty_services_have_every_kind_of_problem_once_or_more(seed: int):
    """Twelve planted services, nine decoys of different kinds, symptoms of a faulty dependency, four gaps."""
    parts = [service.part for service in forty(seed).services]

    assert {kind for part in parts for kind in part.planted} == set(Planted)
    assert sum(bool(part.planted) for part in parts) == 12
    assert {part.decoy for part in parts if part.decoy} == set(Decoy)
    assert sum(bool(part.symptom_of) for part in parts) >= 1
    assert {part.lacks for part in parts if part.lacks} == set(Source)
    assert sum(part.lacks is not None for part in parts) == 4


@pytest.mark.parametrize("seed", SEEDS)
def test_a_service_plays_one_part_and_shows_what_it_plays(seed: int):
    """Problem, decoy or symptom, never two of them; a problem's sources are there, and a decoy's and symptom's all."""
    for service in forty(seed).services:
        part = service.part
        assert bool(part.planted) + bool(part.decoy) + bool(part.symptom_of) <= 1
        assert all(service.has(source) for kind in part.planted for source in SHOWN_BY[kind])
        assert part.lacks is None or not (part.decoy or part.symptom_of)


@pytest.mark.parametrize("seed", SEEDS)
def test_symptoms_call_their_cause_and_share_its_episodes(seed: int):
    """The manifest's edges lead from the symptom to the service that causes it."""
    services = {service.name: service for service in forty(seed).services}
    symptoms = [service for service in services.values() if service.part.symptom_of]

    for symptom in symptoms:
        cause = services[symptom.part.symptom_of]
        assert cause.name in symptom.depends_on
        assert cause.plants(Planted.DEPENDENCY_FAULT)
        assert symptom.faults == cause.faults != ()
        assert symptom.name in cause.dependents


def test_dependencies_are_known_and_never_go_round():
    """Every edge names a service of the estate, and following edges comes to an end."""
    edges = {service.name: service.depends_on for service in plan_estate(services=300, seed=5).services}

    while edges:
        leaves = {name for name, depends_on in edges.items() if not set(depends_on) & set(edges)}
        assert leaves
        edges = {name: depends_on for name, depends_on in edges.items() if name not in leaves}


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 12])
def test_small_estates_have_a_problem_too(count: int):
    """Down to one service, there is something to find."""
    for seed in SEEDS:
        services = plan_estate(services=count, seed=seed).services
        assert len(services) == count
        assert any(service.part.planted for service in services)


def test_every_name_is_its_own():
    """As many different names as the estate may have services, and more."""
    assert len({service_name(number) for number in range(NAMES_MAX)}) == NAMES_MAX
    assert len({service.name for service in plan_estate(services=8_000, seed=1).services}) == 8_000


@pytest.mark.parametrize("seed", [1, 7])
def test_the_manifest_is_a_stream_of_components_that_says_what_is_there(seed: int):
    """Known annotations only, all of them text, and none of a source that the service lacks."""
    estate = forty(seed)

    documents = list(yaml.safe_load_all(manifest_text(estate)))

    assert [document["metadata"]["name"] for document in documents] == [service.name for service in estate.services]
    for document, service in zip(documents, estate.services, strict=True):
        given = annotations(document)
        assert document["kind"] == "Component"
        assert set(given) <= KNOWN
        assert all(isinstance(value, str) for value in given.values())
        sources = {"incidents": "incidents", "git": "git", "metrics": "metrics-file", "runbooks": "runbooks"}
        assert {source for source, key in sources.items() if key not in given} == {*filter(None, [service.part.lacks])}


def test_the_manifest_does_not_give_the_truth_away():
    """No word of the truth is in it, and nobody's place in it tells his part."""
    estate = plan_estate(services=400, seed=9)
    text = manifest_text(estate)
    words = {word for kind in (*Planted, *Decoy) for word in (kind.value, kind.value.replace("_", "-"))}

    assert not [word for word in (*words, "planted", "decoy", "symptom", "truth") if word in text]
    half = [service for service in estate.services[:200] if service.part.planted]
    assert 35 <= len(half) <= 85  # of 120 planted ones
    for trait in ("stack", "tracker", "own_repository"):
        assert spread(estate, trait) < 0.25


def spread(estate: Estate, trait: str) -> float:
    """The largest distance between the share of planted services under one value of a trait and under all."""

    def share(services: list[Service]) -> float:
        return sum(bool(service.part.planted) for service in services) / len(services)

    groups: dict[object, list[Service]] = {}
    for service in estate.services:
        groups.setdefault(getattr(service, trait), []).append(service)
    return max(abs(share(group) - share(list(estate.services))) for group in groups.values())


def test_the_truth_has_one_entry_for_every_service():
    """Kinds, decoy, missing source and cause: readable by any program, in the words that the docs list."""
    estate = forty()

    truth = json.loads(truth_text(estate))

    assert list(truth["services"]) == [service.name for service in estate.services]
    for service in estate.services:
        entry = truth["services"][service.name]
        assert entry["planted"] == [kind.value for kind in service.part.planted]
        assert entry["symptom_of"] == (service.part.symptom_of or None)
