"""Citations: their grammar, and what becomes of claims whose citations do not hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.specialists.findings import Finding
from orchestrator.citations import MALFORMED, UNRESOLVED, Citation, parse_citation, strike
from support.answers import a_finding


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("incident:INC-1", Citation("incident", "INC-1")),
        ("incident:infrastructure#9820", Citation("incident", "infrastructure#9820")),
        ("incident:a:b c", Citation("incident", "a:b c")),
        ("commit:abcdef0", Citation("commit", "abcdef0")),
        ("commit:" + "0" * 64, Citation("commit", "0" * 64)),
        ('metric:up{a="b@c"}@1661281200', Citation("metric", 'up{a="b@c"}', 1661281200.0)),
        ("metric:rate(x[5m])@1661281200.25", Citation("metric", "rate(x[5m])", 1661281200.25)),
        ("metric:x@5@7", Citation("metric", "x@5", 7.0)),
        ("runbook:docs/a b.md:12", Citation("runbook", "docs/a b.md", 12.0)),
        ("runbook:docs/a:3:12", Citation("runbook", "docs/a:3", 12.0)),
    ],
)
def test_each_kind_of_citation_is_read_into_its_parts(text: str, parsed: Citation) -> None:
    """The last @ and the last colon part a reference from its place, whatever the reference holds."""
    assert parse_citation(text) == parsed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "incident",
        "incident:",
        "incident: INC-1",
        "incident:INC-1\nincident:INC-2",
        "Incident:INC-1",
        "commit:abcdef",
        "commit:ABCDEF0",
        "commit:xyzxyzx",
        "commit:" + "0" * 65,
        "metric:up",
        "metric:@5",
        "metric:up@",
        "metric:up@now",
        "metric:up@-5",
        "metric:up@nan",
        "metric:up@1e9",
        "metric:up@٣",
        "runbook:docs/a.md",
        "runbook:docs/a.md:0",
        "runbook:docs/a.md:1.5",
        "runbook::3",
        "trace:abc",
        "incident:" + "x" * 4_000,
    ],
)
def test_what_is_no_citation_is_told_from_one(text: str) -> None:
    """A claim cannot stand on a text that no code could look up."""
    assert parse_citation(text) is None


@given(st.text())
def test_any_text_at_all_is_a_citation_or_none(text: str) -> None:
    """Models write what they like; the grammar answers for every text, and accepts none that is not one line."""
    parsed = parse_citation(text)

    assert parsed is None or (text.startswith(parsed.kind + ":") and text.isprintable())


def test_a_claim_stands_on_the_citations_that_hold_and_falls_without_any() -> None:
    """Bad citations are listed with the reason; good ones keep their claim."""
    both = Finding(**a_finding("both", citations=["incident:A", "incident:B", "nonsense"]))
    none = Finding(**a_finding("none", citations=["incident:B"]))
    good = Finding(**a_finding("good", citations=["incident:A", "incident:A"]))

    kept, struck = strike([both, none, good], "incidents", {"incident:B"})

    assert [(f.claim, f.citations) for f in kept] == [("both", ["incident:A"]), ("good", ["incident:A"])]
    assert [(s.claim, s.whole, s.citations) for s in struck] == [
        ("both", False, (("incident:B", UNRESOLVED), ("nonsense", MALFORMED))),
        ("none", True, (("incident:B", UNRESOLVED),)),
    ]
