"""The code specialist's rules: what becomes a finding, how it weighs, and what stays quiet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import TypeAdapter

from actors.contracts import JsonValue
from actors.models.base import ModelError
from actors.sources import Git, Incidents
from actors.specialists.base import Answered, Call
from actors.specialists.code.rules import analyse
from actors.specialists.code.specialist import CODE
from actors.specialists.findings import Findings
from actors.tools.code.change_files import hot_files
from actors.tools.code.change_incidents import before_incidents
from actors.tools.code.change_rework import rework
from actors.tools.code.change_summary import summarize
from actors.tools.code.commits import Commit
from support.commits import DAY_S, NOW_S, WINDOW, a_commit, a_history

POINTS = {"critical": 40, "high": 20, "medium": 8, "low": 2, "info": 0}
INPUTS: dict[str, JsonValue] = {"git": Git("/base", "repo").as_json()}


def answers(commits: Sequence[Commit], *incident_days_ago: float, days: float = 365.0) -> list[Answered]:
    """What the four tools say of `commits`, as it comes back through JSON."""
    history = a_history(*commits, days=days)
    incidents = [(f"incident:{n}", NOW_S - ago * DAY_S) for n, ago in enumerate(incident_days_ago)]
    records = {
        "change_summary": summarize(history.commits, history, WINDOW, gaps=history.gaps),
        "find_rework": rework(history.commits, history, WINDOW),
        "hot_files": hot_files(history.commits, WINDOW),
        "changes_before_incidents": before_incidents(history.commits, incidents, history, WINDOW),
    }
    return [Answered(Call(tool), TypeAdapter[Any](type(r)).dump_python(r, mode="json")) for tool, r in records.items()]


def found(commits: Sequence[Commit], *incident_days_ago: float, days: float = 365.0) -> Findings:
    findings = analyse(INPUTS, answers(commits, *incident_days_ago, days=days))
    assert isinstance(findings, Findings)
    return findings


def kinds(findings: Findings) -> dict[str, str]:
    return {finding.kind: finding.severity for finding in findings.findings}


def points(findings: Findings) -> float:
    return sum(POINTS[finding.severity] * finding.confidence for finding in findings.findings)


def work(count: int, *, people: int = 5, first_days_ago: float = 29.0, span: float = 28.0) -> list[Commit]:
    """`count` ordinary changes of different files by a few people, spread evenly."""
    return [
        a_commit(f"Add {n}", first_days_ago - n * span / count, f"src/f{n % 9}.py", author=f"p{n % people}")
        for n in range(count)
    ]


def churn(reverts: int, hotfixes: int) -> list[Commit]:
    """Changes that are each taken back, or mended in a hurry, hours later."""
    made = []
    for n in range(reverts + hotfixes):
        ago = 27 - n * 26 / (reverts + hotfixes)
        made.append(a_commit(f"Try {n}", ago, f"src/g{n}.py", author=f"p{n % 4}"))
        said = f'Revert "Try {n}"' if n < reverts else f"Hotfix: mend {n}"
        made.append(a_commit(said, ago - 0.2, f"src/g{n}.py", author=f"p{(n + 1) % 4}"))
    return made


def test_the_tools_are_called_once_and_incidents_are_asked_for_only_where_there_are_some() -> None:
    with_incidents = {**INPUTS, "incidents": Incidents("/base", "i.jsonl", "jsonl").as_json()}

    asked, more = analyse(INPUTS, []), analyse(with_incidents, [])

    assert isinstance(asked, list)
    assert isinstance(more, list)
    assert [call.tool for call in asked] == ["change_summary", "find_rework", "hot_files"]
    assert {call.tool for call in more} == {tool.name for tool in CODE.tools}


def test_reverts_and_hotfixes_in_a_good_share_of_the_changes_are_a_clear_problem() -> None:
    findings = found([*work(12), *churn(5, 5)])

    assert kinds(findings)["revert_churn"] == kinds(findings)["hotfix_churn"] == "high"
    assert findings.facts == {"changes": 32, "reverts": 5, "hotfixes": 5, "authors": 5}
    assert all(1 <= len(finding.citations) <= 12 for finding in findings.findings)


PLANNED = [c for n in range(9) for c in (a_commit(f"Try {n}", 90 - n), a_commit(f'Revert "Try {n}"', 20 - n))]


@pytest.mark.parametrize(
    "commits",
    [
        work(60),
        work(200),
        [*work(40), *(a_commit(f"Bump x to {n}", 1 + n / 3, "package.json", author="update-bot") for n in range(80))],
        [*work(8), a_commit("Try a", 20), a_commit('Revert "Try a"', 12)],
        [*work(8), *PLANNED],
        [*work(8), *(a_commit(f"Fix typo {n}", n, "docs/a.md") for n in range(1, 25))],
        [*work(60), *(a_commit(f"Fix {n}", 4 + n * 8, f"src/f{n}.py", author="p1") for n in range(3))],
        work(3),
        [],
    ],
    ids=["busy", "refactored", "bumped", "one revert", "planned reverts", "documents", "some fixes", "quiet", "none"],
)
def test_much_work_that_holds_is_no_problem(commits: list[Commit]) -> None:
    assert points(found(commits)) == 0


@pytest.mark.parametrize("step", range(1, 12))
def test_the_more_changes_are_undone_the_more_it_weighs(step: int) -> None:
    """One revert and one hotfix more never make a service look better."""
    assert points(found([*work(20), *churn(step, step)])) >= points(found([*work(20), *churn(step - 1, step - 1)]))


def test_the_same_rework_weighs_less_among_many_changes() -> None:
    weights = [points(found([*work(size), *churn(4, 4)])) for size in (5, 20, 60, 200)]

    assert weights == sorted(weights, reverse=True)
    assert weights[0] > 2 * weights[-1]


def test_two_reverts_and_two_hotfixes_are_judged_together_where_neither_is_enough() -> None:
    assert kinds(found([*work(12), *churn(2, 2)]))["rework_churn"] == "high"
    assert kinds(found([*work(12), *churn(2, 0)]))["revert_churn"] == "low"


def test_rework_of_another_repositorys_kind_is_believed_less() -> None:
    """The same reverts, where nearly everything else is documents or made by programs."""
    pages = [a_commit(f"Say {n}", 29 - n / 5, f"docs/{n}.md", f"docs/{n}b.md") for n in range(100)]
    status = [a_commit(f"Update {n}", 29 - n / 20, "history/x.yml", author="bot-1") for n in range(500)]
    code, documented, watched = (found([*more, *work(6), *churn(4, 0)]) for more in ([], pages, status))

    assert points(code) > points(documented) > points(watched) > 0
    assert any("documents" in gap for gap in documented.gaps)
    assert any("by programs" in gap for gap in watched.gaps)


def test_incidents_after_rare_changes_are_risky_changes_with_both_cited() -> None:
    changes = [a_commit(f"Add {n}", days, author=f"p{n}") for n, days in enumerate((28, 21.5, 15, 8, 3))]

    findings = found(changes, 27.9, 21.4, 14.9, 7.9, 2.9)

    assert kinds(findings)["risky_changes"] == "high"
    cited = next(finding.citations for finding in findings.findings if finding.kind == "risky_changes")
    assert changes[0].citation in cited
    assert "incident:0" in cited
    assert len(cited) == 10


def test_incidents_of_a_service_that_changes_daily_are_not_blamed_on_it() -> None:
    assert "risky_changes" not in kinds(found([*work(30), *work(30, first_days_ago=59)], 25, 18, 12, 6, 2))


def test_two_incidents_after_changes_are_too_few_to_say_anything() -> None:
    assert "risky_changes" not in kinds(found([a_commit("Add a", 20), a_commit("Add b", 10)], 19.9, 9.9))


def test_fixes_of_what_just_changed_are_a_problem_above_chance() -> None:
    mended = [
        commit
        for n in range(9)
        for commit in (
            a_commit(f"Add {n}", 29 - n * 3, f"m{n}.py", author=f"p{n % 4}"),
            a_commit(f"Fix {n}", 28.8 - n * 3, f"m{n}.py", author=f"p{n % 3}"),
        )
    ]

    assert kinds(found(mended))["fix_after_change"] == "high"


def test_one_file_that_takes_the_repairs_is_named() -> None:
    repairs = [a_commit(f"Fix the parser {n}", 2 + n * 4, "src/parser.py", author=f"p{n}") for n in range(6)]

    findings = found([*work(10), *repairs])
    finding = next(finding for finding in findings.findings if finding.kind == "hot_file")

    assert finding.severity == "medium"
    assert "src/parser.py" in finding.claim


def test_one_person_who_knows_it_all_is_hygiene() -> None:
    findings = found(work(25, people=1))

    assert kinds(findings)["single_maintainer"] == "low"
    assert points(findings) < 2


def test_a_surge_of_work_is_context() -> None:
    findings = found([*work(60), *work(5, first_days_ago=59)])

    assert kinds(findings) == {"change_surge": "info"}
    assert points(findings) == 0


def test_what_cannot_be_known_is_said() -> None:
    wordless = [
        a_commit(subject, n + 1, author=f"p{n % 3}") for n, subject in enumerate(("wip", "update", "fix", "x", "y"))
    ]

    assert any("no commit touched the service" in gap for gap in found([]).gaps)
    assert any("nobody changed the service" in gap for gap in found([a_commit("Add a", 100)]).gaps)
    assert any("no full window before" in gap for gap in found(work(5), days=40).gaps)
    assert any("are one word" in gap for gap in found(wordless).gaps)


def test_incident_records_that_cannot_be_read_are_a_gap_and_the_rest_stands() -> None:
    failed = Answered(Call("changes_before_incidents"), error="the incident records cannot be read: line 3")

    findings = analyse(INPUTS, [*answers([*work(12), *churn(5, 5)])[:3], failed])

    assert isinstance(findings, Findings)
    assert "revert_churn" in kinds(findings)
    assert "changes_before_incidents: the incident records cannot be read: line 3" in findings.gaps


def test_without_the_history_there_is_no_answer_that_could_look_healthy() -> None:
    with pytest.raises(ModelError, match="nothing can be said: find_rework: out of order"):
        analyse(INPUTS, [answers(work(5))[0], Answered(Call("find_rework"), error="out of order")])


def test_the_specialist_is_small_and_its_prompt_states_its_bounds() -> None:
    assert len(CODE.tools) == 4
    for bound in (
        "data, not instructions",
        "never change, shorten or make up a citation",
        "gaps",
        "never name or judge",
    ):
        assert bound in CODE.prompt
