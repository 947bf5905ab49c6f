"""The report: everything that was asked for is in it, and nothing that data says can forge its form."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from actors.contracts import Reason
from orchestrator import markdown
from orchestrator.evidence import Evidence
from orchestrator.report import report
from orchestrator.synthesis import Head, Money, summarize
from support.answers import AGENTS, HEAD, a_finding, an_answer, by_name, evidence_of, no_answer

EVIL = "x\n# Forged\n| a | b |\n<script>alert(1)</script> [click](http://evil.example) ![i](http://e.example) `"
HEADINGS = {
    "# Reliability audit",
    "## What is not known",
    "## Ranking",
    "## What services have in common",
    "### Owners",
    "## Conflicts between sources",
    "## Struck out",
    "## Failures",
    "## How to read this",
}
HOSTILE = st.text(alphabet=st.sampled_from(list("#|`*_[]<>()&!~$\\-+.=:/\n\r\t w1a\u202e\u0000")), max_size=60)


def test_the_report_says_what_it_rests_on() -> None:
    """Question, answer, coverage, budget, model and status stand at the top, gaps before the ranking."""
    money = Money(limit_tokens=200_000, spent_tokens=1_234, limit_microusd=5_000_000, spent_microusd=0)
    head = Head(
        run_id="r-7", question="Which?", model="offline", mode="embedded", status="complete", elapsed_s=2, money=money
    )

    evidence = evidence_of(an_answer(a_finding(severity="critical")))

    said = "".join(report(summarize(head, by_name(evidence))))

    assert "**Question.** Which?" in said
    assert "1 of 1 service needs reliability work: cart" in said
    assert "1/1 services reported, 1/4 tasks answered (failed: 3 cancelled)" in said
    assert "1,234 of 200,000 tokens, $0.0000 of $5.00" in said
    assert "real tools on real data, rules instead of a model" in said
    assert said.index("## What is not known") < said.index("## Ranking")


def test_a_dollar_cost_that_is_unknown_is_not_shown_as_zero() -> None:
    """None means unknown, zero means zero."""
    head = Head(
        run_id="r", question="q", model="m", mode="local", status="s", elapsed_s=0, money=Money(spent_microusd=None)
    )

    assert "cost unknown" in "".join(report(summarize(head, {})))


def test_every_claim_stands_with_its_citations_and_every_gap_with_its_reason() -> None:
    """People follow a citation to the record; what is missing has a reason."""
    said = _report(
        evidence_of(
            an_answer(a_finding("Restores take 9 h", severity="critical", citations=["incident:A-1", "incident:B-2"])),
            no_answer(agent="metrics", reason=Reason.TOOL_ERROR, message="connection refused"),
            agents=("incidents", "metrics"),
        )
    )

    assert "Restores take 9 h [`incident:A-1`, `incident:B-2`]" in said
    assert "metrics failed in 1 service (cart): 1 tool_error" in said
    assert "git absent in 1 service (cart)" in said
    assert "connection refused" in said


def test_struck_claims_conflicts_and_failures_have_their_sections() -> None:
    """What was taken out of the answer is shown, not hidden."""
    said = _report(
        evidence_of(
            an_answer(
                a_finding("It fell over", citations=["incident:X"]),
                facts={"users_affected": True},
                unresolved=["incident:X"],
            ),
            an_answer(agent="metrics", facts={"users_affected": False}),
            no_answer(agent="code"),
        )
    )

    assert "~~It fell over~~; `incident:X` not found in its source" in said
    assert "## Conflicts between sources" in said
    assert "- cart/code: timeout, late (0 tokens spent)" in said


def test_text_from_data_forges_no_heading_row_link_or_tag() -> None:
    """Titles, names, owners and citations come from trackers and repositories that anybody may write to."""
    evil = a_finding(EVIL, severity="critical", cause=EVIL[:100], citations=[f"incident:{EVIL}", "incident:a`b``c"])
    failed = no_answer(service=EVIL, agent="code", message=EVIL)
    service = evidence_of(an_answer(evil, service=EVIL, gaps=[EVIL]), failed, service=EVIL, owner=EVIL)

    said = _report(service)

    assert set(_headings(said)) <= HEADINGS
    assert not re.search(r"^\s*# Forged", said, re.MULTILINE)
    assert "<script" not in re.sub(r"(`+).*?\1", "", said)
    assert not re.search(r"(?<!\\)\]\(", re.sub(r"(`+).*?\1", "", said))
    assert {row.count("|") for row in said.splitlines() if row.startswith("|")} == {8}


@given(HOSTILE)
def test_escaped_text_is_one_line_without_bare_markup(said: str) -> None:
    """Whatever the text, no character in it that Markdown or HTML acts on is left as it was."""
    shown = markdown.text(said)

    assert "\n" not in shown
    assert "\u202e" not in shown
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*\[\]~$]", re.sub(r"\\[\\`*\[\]~$]", "", shown))
    assert not re.search(r"[<>|]|(?<!\\)://|www\.", shown)
    assert not re.match(r"[#+=-]|\d+[.)]", shown)


@given(HOSTILE)
def test_nothing_gets_out_of_a_code_span(said: str) -> None:
    """The fence is longer than every run of backticks inside."""
    shown = markdown.code(said)
    fence = re.match("`+", shown)

    assert fence is not None
    assert shown.endswith(fence[0])
    assert fence[0] not in re.findall("`+", shown[len(fence[0]) : -len(fence[0])])


def test_five_thousand_services_have_a_line_each_and_the_report_stays_readable() -> None:
    """The table holds everybody; sections, names and lists are bounded and say how many more there are."""
    evidence = [
        evidence_of(
            *(an_answer(a_finding(severity="critical"), agent=agent, service=f"s{n}") for agent in AGENTS[:3]),
            no_answer(service=f"s{n}", agent="runbooks"),
            service=f"s{n}",
            owner=f"team-{n % 50}",
        )
        for n in range(5_000)
    ]

    said = _report(*evidence)

    assert sum(line.startswith("| ") and "needs work" in line for line in said.splitlines()) == 5_000
    assert "more lines in summary.json" in said
    assert len(said) < 2_000_000


def test_without_leads_many_services_have_one_page_by_rules() -> None:
    """It ranks, groups by cause and owner, says what it does not know and who wrote it, and stays a page."""
    evidence = [
        evidence_of(
            an_answer(a_finding(f"s{n} broke", severity="critical", cause="no canary"), service=f"s{n}"),
            no_answer(service=f"s{n}", agent="metrics", reason=Reason.TIMEOUT),
            service=f"s{n}",
            agents=("incidents", "metrics"),
            owner=f"team-{n % 50}",
        )
        for n in range(3_000)
    ]

    page = _report(*evidence).partition("## Synthesis")[2].partition("\n## ")[0]

    assert "Written by rules from the ranking of 3000 services" in page
    assert "- **s0** (#1, score" in page
    assert "- **no canary**, 3000 services (s0, s1, s10, s100, s1000, …): 3000 findings" in page
    assert "- team-0: 60 of 60 services need work, 0 to watch: s0, s100, s1000, s1050, s1100, …" in page
    assert "- metrics failed: 3000 services (s0," in page
    assert "- tasks that came to nothing: 3000 timeout" in page
    assert len(page.splitlines()) < 70
    assert "## Synthesis" not in _report(*evidence[:19])


def _report(*evidence: Evidence) -> str:
    return "".join(report(summarize(HEAD, by_name(*evidence))))


def _headings(said: str) -> list[str]:
    """The headings, but for those that name a service."""
    return [line for line in said.splitlines() if line.startswith("#") and not re.match(r"## \d+\. ", line)]
