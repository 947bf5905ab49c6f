"""docs/tables.md: every query runs as it stands there, and all engines agree."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from actors.contracts import Failure, Outcome, Reason, Result, Usage, Work
from actors.tables import outcome_batch
from orchestrator.store import RunDirectory

PAGE = (Path(__file__).parents[2] / "docs" / "tables.md").read_text(encoding="utf-8")
QUESTIONS = dict(re.findall(r"^### (.+?)\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL))
BLOCK = re.compile(r"^\*\*(.+?)\*\*\n\n```(sql|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ENGINES = ["DuckDB", "Polars", "pandas", "Ray Data"]
AGENTS = ("code", "incidents", "metrics")


def an_outcome(number: int, *, priced: bool = True) -> Outcome:
    """Three agents; every fifth task of one of them failed. Figures differ from row to row.

    Not `priced`: nothing of what the metrics' agent cost is known, and of the incidents' agent not all.
    """
    agent, run = AGENTS[number % 3], f"svc-{number // 3:03d}"
    unknown = not priced and (agent == "metrics" or (agent == "incidents" and number % 2 == 0))
    work = Work(
        model="m", usage=Usage(900 + number, 50), spent_tokens=950 + number,
        cost_microusd=None if unknown else 10 * number,
        host=f"{agent}-1", started_at_s=1_000.0 + number, elapsed_ms=float(7 * number % 101),
    )  # fmt: skip
    identity: dict[str, Any] = {"task_id": f"{run}/{agent}", "run_id": run, "agent": agent, "attempt": 1, "work": work}
    if number % 5 == 0 and agent != "metrics":
        return Failure(**identity, reason=Reason.TIMEOUT if number % 2 else Reason.BUDGET_SKIP, message="late")
    return Result(**identity, answer="{}")


def a_run(folder: Path, verdicts: dict[str, str], *, priced: bool = True) -> Path:
    """A finished batch of 90 tasks and its summary."""
    directory = RunDirectory.create(folder, manifest={"schema": "muster.run/1"}, durable=False)
    directory.append_outcomes([outcome_batch([an_outcome(n, priced=priced) for n in range(60)])])
    directory.append_outcomes([outcome_batch([an_outcome(n, priced=priced) for n in range(60, 90)])])
    services = [{"name": name, "rank": 1, "verdict": verdict, "findings": []} for name, verdict in verdicts.items()]
    directory.write_parts("summary.json", [json.dumps({"services": services}, indent=1).encode()])
    directory.compact()
    directory.close()
    return folder


@pytest.fixture(scope="module", params=[True, False], ids=["priced", "unpriced"])
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An earlier and a later batch, whose costs are known or not."""
    folder = tmp_path_factory.mktemp("runs")
    first = a_run(folder / "a", {"cart": "watch", "shop": "healthy", "gone": "watch"}, priced=request.param)
    second = a_run(folder / "b", {"cart": "needs_work", "shop": "healthy", "new": "watch"}, priced=request.param)
    return {"run": str(first), "run_a": str(first), "run_b": str(second)}


@pytest.fixture(scope="module")
def _ray() -> Iterator[None]:
    import ray

    ray.init(address="local", num_cpus=1, include_dashboard=False, logging_level="ERROR")
    yield
    ray.shutdown()


def blocks(text: str) -> dict[str, tuple[str, str]]:
    return {engine: (language, source) for engine, language, source in BLOCK.findall(text)}


def rows_of(language: str, source: str, runs: dict[str, str]) -> list[tuple[Any, ...]]:
    """What a block answers, rounded where engines round differently. What is unknown is None, whoever says it."""
    if language == "sql":
        for name, path in sorted(runs.items(), key=lambda item: -len(item[0])):
            source = source.replace(f"{name.upper()}/", f"{path}/")
        return rounded(duckdb.sql(source).fetchall())
    names: dict[str, Any] = dict(runs)
    exec(compile(source, "docs/tables.md", "exec"), names)
    return rounded(names["answer"])


def rounded(rows: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
    return [tuple(_rounded(value) for value in row) for row in rows]


def _rounded(value: Any) -> str | float | None:
    if value is None or isinstance(value, str):
        return value
    return None if math.isnan(value) else round(float(value), 9)


@pytest.mark.parametrize("question", QUESTIONS)
def test_three_engines_answer_alike(question: str, runs: dict[str, str]) -> None:
    """DuckDB, Polars and pandas, each as it stands on the page."""
    found = blocks(QUESTIONS[question])

    answers = [rows_of(*found[engine], runs) for engine in ENGINES[:3]]

    assert list(found) == ENGINES
    assert answers[0]
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize("engine", [*ENGINES[:3], pytest.param("Ray Data", marks=pytest.mark.slow)])
def test_a_sum_with_an_unknown_cost_is_unknown(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """One cost that nobody knows is enough, and it never counts as nothing."""
    if engine == "Ray Data":
        request.getfixturevalue("_ray")
    run = a_run(tmp_path / "run", {}, priced=False)

    spend = rows_of(*blocks(QUESTIONS["Spend by agent"])[engine], {"run": str(run)})

    assert {row[0]: row[3] for row in spend} == {"metrics": None, "incidents": None, "code": 0.01305}


@pytest.mark.usefixtures("_ray")
@pytest.mark.slow
@pytest.mark.parametrize("question", QUESTIONS)
def test_ray_data_answers_as_duckdb_does(question: str, runs: dict[str, str]) -> None:
    """The same rows from a cluster."""
    found = blocks(QUESTIONS[question])

    assert rows_of(*found["Ray Data"], runs) == rows_of(*found["DuckDB"], runs)


def test_the_questions_are_those_that_people_ask() -> None:
    """None goes missing with an edit of the page."""
    assert len(QUESTIONS) == 4


def test_a_running_batch_can_be_read(tmp_path: Path) -> None:
    """A query sees what has ended so far while the batch's process has the directory open and goes on writing."""
    directory = RunDirectory.create(tmp_path / "run", manifest={"schema": "muster.run/1"})
    ((_, language, source),) = BLOCK.findall(PAGE.split("## A batch that is still running")[1].split("\n## ")[0])
    directory.append_outcomes([outcome_batch([an_outcome(n) for n in range(6)])])

    first = rows_of(language, source, {"run": str(tmp_path / "run")})
    directory.append_outcomes([outcome_batch([an_outcome(n) for n in range(6, 90)])])
    second = rows_of(language, source, {"run": str(tmp_path / "run")})
    directory.close()

    assert first == [(agent, 2.0) for agent in AGENTS]
    assert second == [(agent, 30.0) for agent in AGENTS]
