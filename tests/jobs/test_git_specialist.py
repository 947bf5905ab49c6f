"""The code specialist over real repositories: its tools, its rules and the check of its citations together."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from actors.contracts import JsonValue
from actors.sources import Git, Incidents, Window
from actors.specialists.base import Answered, Call
from actors.specialists.code.specialist import CODE
from actors.specialists.findings import Findings
from actors.tools.base import SourceError, ToolContext, ToolError
from actors.tools.shared import Shared
from support.git_repositories import DAY_S, NOW_S, MadeRepository


def context(base: Path, *paths: str, incidents: str = "", shared: Shared | None = None) -> ToolContext:
    inputs: dict[str, JsonValue] = {
        "git": Git(str(base), "repo", paths).as_json(),
        "window": Window(NOW_S, 30 * DAY_S).as_json(),
    }
    if incidents:
        inputs["incidents"] = Incidents(str(base), incidents, "jsonl", ("shop",)).as_json()
    return ToolContext("task", inputs, "key", shared or Shared())


def call(tool: str, where: ToolContext, **arguments: JsonValue) -> Any:
    """What the tool returns, after the way through JSON that every result takes."""
    found = next(known for known in CODE.tools if known.name == tool)
    return json.loads(json.dumps(found.function(where, **found.arguments(arguments))))


def analysed(where: ToolContext) -> Findings:
    assert CODE.analyst is not None
    asked = cast(Sequence[Call], CODE.analyst(where.inputs, []))
    answers = [Answered(one, call(one.tool, where, **one.arguments)) for one in asked]
    findings = CODE.analyst(where.inputs, answers)
    assert isinstance(findings, Findings)
    return findings


def unresolved(where: ToolContext, citations: Sequence[str]) -> list[str]:
    assert CODE.check_citations is not None
    return list(CODE.check_citations(where, citations))


def started(days_ago: float) -> str:
    return datetime.fromtimestamp(NOW_S - days_ago * DAY_S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def write_incidents(base: Path, days_ago: Mapping[str, float]) -> None:
    rows = [
        {"id": id, "service": "shop", "title": "Down", "started_at": started(ago), "ended_at": started(ago - 0.02)}
        for id, ago in days_ago.items()
    ]
    (base / "incidents.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One monorepo: 'shop' takes back half of what it does, 'cart' works as much and it holds; incidents of shop."""
    base = tmp_path_factory.mktemp("base")
    made = MadeRepository.begin(base / "repo")
    made.commit("Begin", days_ago=200, files={"shop/app.py": "0", "cart/app.py": "0", "docs/a.md": "0"})
    for n in range(6):
        ago = 28 - n * 4.5
        made.commit(f"Try {n}", days_ago=ago, files={f"shop/part{n}.py": f"{n}"}, author=f"P{n % 3}")
        undone = f'Revert "Try {n}"' if n % 2 else f"Hotfix: mend part {n}"
        made.commit(undone, days_ago=ago - 0.2, files={f"shop/part{n}.py": f"{n} again"}, author="P1")
        for step in range(4):
            files = {f"cart/part{step}.py": f"{n} {step}"}
            made.commit(f"Refactor {n} {step}", days_ago=ago - 0.3 - step, files=files, author=f"P{step}")
    write_incidents(base, {f"INC-{n}": 28 - n * 4.5 - 0.1 for n in range(6)} | {"OLD-1": 150})
    return base


def test_the_service_whose_changes_do_not_hold_is_told_from_the_one_that_only_works_much(base: Path) -> None:
    shared = Shared()
    shop, cart = (analysed(context(base, path, shared=shared)) for path in ("shop", "cart"))

    assert {finding.kind: finding.severity for finding in shop.findings if finding.severity == "high"} == {
        "rework_churn": "high"
    }
    assert [finding.kind for finding in cart.findings if finding.severity != "info"] == []
    assert shop.facts["reverts"] == shop.facts["hotfixes"] == 3
    assert cart.facts["changes"] == 24


def test_incidents_that_follow_changes_are_found_and_cited(base: Path) -> None:
    where = context(base, "shop", incidents="incidents.jsonl")

    findings = analysed(where)
    risky = next(finding for finding in findings.findings if finding.kind == "risky_changes")

    assert risky.severity == "high"
    assert "incident:INC-5" in risky.citations
    assert unresolved(where, [c for finding in findings.findings for c in finding.citations]) == []


def test_citations_that_name_nothing_are_unresolved(base: Path) -> None:
    where = context(base, "shop", incidents="incidents.jsonl")
    known = call("change_summary", where)["latest"][0]["citation"]
    wrong = ["commit:0123456789ab", "commit:HEAD", "commit:", "commit:--help", "incident:INC-99", "metric:up@1", ""]

    assert unresolved(where, [known, *wrong, "incident:OLD-1"]) == wrong


def test_a_commit_from_before_the_history_read_resolves_too(base: Path) -> None:
    made = MadeRepository(base / "repo")
    tree = made.git("rev-parse", "HEAD^{tree}")
    identity = {f"GIT_{who}_{what}": "x@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    old = {f"GIT_{who}_DATE": "1000000000 +0000" for who in ("AUTHOR", "COMMITTER")}
    sha = made.git("commit-tree", tree, "-m", "Old", environment={**identity, **old})

    assert unresolved(context(base), [f"commit:{sha[:12]}"]) == []
    assert unresolved(context(base), [f"commit:{tree[:12]}"]) == [f"commit:{tree[:12]}"]


def test_results_are_compact_whatever_the_history(base: Path) -> None:
    """A model pays for every character: thousands of commits give a page, not a dump."""
    where = context(base, incidents="incidents.jsonl")

    sizes = {tool.name: len(json.dumps(call(tool.name, where))) for tool in CODE.tools}

    assert max(sizes.values()) < 5_000


def test_a_service_without_incident_records_or_with_broken_ones_keeps_its_history(base: Path) -> None:
    (base / "broken.jsonl").write_text('{"id": "A-1"\n')

    with pytest.raises(ToolError, match="has no incident records"):
        call("changes_before_incidents", context(base, "shop"))
    with pytest.raises(ToolError, match="cannot be read") as raised:
        call("changes_before_incidents", context(base, "shop", incidents="broken.jsonl"))
    assert not isinstance(raised.value, SourceError)

    broken = context(base, "shop", incidents="broken.jsonl")
    cited = call("change_summary", broken)["latest"][0]["citation"]
    assert unresolved(broken, [cited, "incident:INC-1"]) == ["incident:INC-1"]


def test_a_path_that_was_never_there_is_a_failure_and_one_of_several_is_a_gap(base: Path) -> None:
    """A mistyped git-path must not make a service look quiet."""
    with pytest.raises(SourceError, match="'repo' holds no 'shopp': correct git-path"):
        call("change_summary", context(base, "shopp"))

    assert call("change_summary", context(base, "shop", "shopp"))["gaps"] == ["not in the repository: git-path 'shopp'"]


def test_a_path_that_is_there_and_did_not_change_is_a_gap(tmp_path: Path) -> None:
    made = MadeRepository.begin(tmp_path / "repo")
    made.commit("Begin", days_ago=900, files={"old/app.py": "0"})
    made.commit("Other", days_ago=1, files={"new/app.py": "0"})

    findings = analysed(context(tmp_path, "old"))

    assert findings.findings == []
    assert any("no commit touched the service since" in gap for gap in findings.gaps)


def test_a_task_without_a_repository_fails_as_a_source() -> None:
    with pytest.raises(SourceError, match="names no Git repository"):
        call("change_summary", ToolContext("task", {}, "key", Shared()))


@pytest.mark.parametrize("arguments", [{"hours": 0}, {"hours": 1e9}, {"hours": "soon"}, {"path": "../x"}])
def test_a_model_cannot_ask_outside_of_the_bounds(base: Path, arguments: dict[str, JsonValue]) -> None:
    """No tool takes a path, a ref or an option: where to read follows from the task alone."""
    with pytest.raises(ToolError, match="wrong arguments"):
        call("changes_before_incidents", context(base, "shop", incidents="incidents.jsonl"), **arguments)
