"""Evidence in few bytes: what is kept of a service while its batch runs."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.evidence import Evidence
from orchestrator.packing import Unpacked, packed, unpacked
from orchestrator.report import report
from orchestrator.synthesis import encoded, summarize
from support.answers import HEAD, a_finding, an_answer, by_name, evidence_of, no_answer
from support.batches import a_service

TEXTS = st.text(st.characters(), max_size=40)


def test_evidence_of_every_kind_comes_back_as_it_was() -> None:
    """Claims, what was struck, conflicts, gaps, failures, and sources in each state, in their order."""
    whole = evidence_of(
        an_answer(a_finding("One", citations=["incident:1", "nonsense"]), a_finding("Two", citations=["bad"])),
        no_answer(agent="metrics"),
        agents=("incidents", "metrics", "code"),
        owner="team-a",
    )
    bare = evidence_of(agents=())

    for evidence in (whole, bare):
        back = unpacked(packed(evidence))
        assert back == evidence
        assert list(back.states) == list(evidence.states)
        assert list(back.weights) == list(evidence.weights)
    assert whole.struck
    assert whole.failures


@given(TEXTS, TEXTS, st.floats(0, 1))
def test_any_text_and_any_number_survive(owner: str, claim: str, points: float) -> None:
    """Also characters that no file can hold, and the last bit of a number."""
    evidence = evidence_of(an_answer(a_finding(claim or "x", confidence=points)), owner=owner)

    back: Evidence = unpacked(packed(evidence))

    assert back == evidence
    assert repr(back.weights) == repr(evidence.weights)


def test_it_takes_a_quarter_of_the_values() -> None:
    """A kilobyte of claims is some 300 bytes."""
    findings = [a_finding(f"It failed {n} times in {n + 3} days", citations=[f"incident:{n}"]) for n in range(8)]
    evidence = evidence_of(an_answer(*findings))

    assert len(packed(evidence)) < 800


def test_a_summary_of_packed_services_is_that_of_their_evidence() -> None:
    """What is kept of a batch is enough for its whole answer, byte for byte."""
    evidence = by_name(*(a_service(number) for number in range(30)), evidence_of(no_answer(), service="x"))
    kept = Unpacked({name: packed(one) for name, one in evidence.items()})

    assert b"".join(encoded(summarize(HEAD, kept))) == b"".join(encoded(summarize(HEAD, evidence)))


@pytest.fixture
def prompt_gc() -> Iterator[None]:
    """Python's own thresholds, whatever a batch in this process has set: what waits to be collected is not held."""
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*before)


@pytest.mark.usefixtures("prompt_gc")
def test_the_answer_over_many_services_is_written_in_little_memory() -> None:
    """A kilobyte or two of each is held, and not what the answer says of it."""
    count, findings = 400, 4
    kept = {}
    for number in range(count):
        name = f"svc-{number:04d}"
        told = [a_finding(f"{number}.{n} " + "It failed. " * 40, citations=[f"incident:{n}"]) for n in range(findings)]
        kept[name] = packed(evidence_of(an_answer(*told, service=name), service=name, owner=f"team-{number % 9}"))

    tracemalloc.start()
    summary = summarize(HEAD, Unpacked(kept))
    written = sum(map(len, encoded(summary))) + sum(map(len, report(summary)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert written / count > 4_500
    assert peak / count < 4_000
