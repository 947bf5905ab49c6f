"""Plans: their tasks as runs, checked on the way."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel

from actors.contracts import Task
from actors.specialists.base import Specialist
from budget.errors import SettingsError, TaskError
from orchestrator.patterns import FanOut
from orchestrator.plans import COMPARED_MAX, checked, runs_of, warned_of_overlaps
from orchestrator.settings import Settings


def task(task_id: str, run_id: str = "", objective: str = "") -> Task:
    return Task(
        id=task_id,
        run_id=run_id or task_id,
        agent="counter",
        objective=objective or f"How many of {task_id}?",
        output_schema="Count",
        tokens_max=1,
        deadline_s=1.0,
        turns_max=1,
        idempotency_key=task_id,
    )


def shape(tasks: object) -> list[tuple[str, list[str]]]:
    found = []
    for run in runs_of(tasks):  # type: ignore[arg-type]
        assert isinstance(run.pattern, FanOut)
        found.append((run.id, [one.id for one in run.pattern.tasks]))
    return found


def test_tasks_that_follow_each_other_under_one_run_id_are_one_run() -> None:
    """A task without a run of its own is a run by itself."""
    tasks = [task("a", "first"), task("b", "first"), task("c"), task("d", "last")]

    assert shape(iter(tasks)) == [("first", ["a", "b"]), ("c", ["c"]), ("last", ["d"])]
    assert shape(iter([])) == []


def test_a_run_is_asked_for_when_its_turn_comes_and_not_before() -> None:
    """A plan without an end can be begun: one task more than the run has is looked at, to see that it is over."""
    asked: list[int] = []

    def endless() -> Iterator[Task]:
        while True:
            asked.append(len(asked))
            yield task(f"t{len(asked)}")

    runs = runs_of(endless())
    for _ in range(3):
        next(runs)

    assert len(asked) == 4


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        ([("a", ""), ("b", ""), ("a", "")], "task id 'a' is used twice"),
        ([("a", "r"), ("b", "r"), ("a", "r")], "task id 'a' is used twice"),
        ([("a", "r"), ("b", ""), ("a", "s")], "task id 'a' is used twice"),
        ([("a", ""), ("b", ""), ("c", "a")], "run 'a' comes twice"),
        ([("c", "a"), ("b", ""), ("a", "")], "run 'a' comes twice"),
        ([("a", ""), ("a", "r")], "task id 'a' is used twice"),
        ([("b", "r"), ("r", "r"), ("c", ""), ("r", "s")], "task id 'r' is used twice"),
        ([("a", "r"), ("b", ""), ("c", "r")], "run 'r' comes twice, at last with task 'c'"),
    ],
)
def test_an_id_that_comes_again_is_refused_where_it_is_met(ids: list[tuple[str, str]], said: str) -> None:
    """Tasks and runs have names of their own: a task may be called like a run, once."""
    tasks = (task(*pair) for pair in ids)

    with pytest.raises(TaskError, match=said):
        shape(tasks)


@pytest.mark.parametrize(
    ("named", "value", "said"),
    [
        ("tokens_max", 20_000.0, "tokens_max is 20000.0, and must be a whole number"),
        ("tokens_max", True, "tokens_max is True, and must be a whole number"),
        ("tokens_max", 0, "tokens_max is 0, and must be above 0"),
        ("turns_max", "5", "turns_max is '5', and must be a whole number"),
        ("deadline_s", None, "deadline_s is None, and must be a plain number"),
        ("deadline_s", float("nan"), "deadline_s is nan, and must be above 0"),
        ("id", 1, "id is 1, and must be text"),
        ("run_id", 5, "run_id is 5, and must be text"),
        ("required", "no", "required is 'no': say True or False"),
        ("inputs", {1: 2}, "an input is named 1, and names are text"),
    ],
)
def test_a_task_of_wrong_kinds_is_refused_where_it_is_made(named: str, value: object, said: str) -> None:
    """Long before a host would stumble over it."""
    with pytest.raises(TaskError, match=said):
        replace(task("a", "r"), **{named: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("named", "value", "said"),
    [
        ("sessions_max", 4.0, "sessions_max is 4.0, and must be a whole number from 1 to"),
        ("sessions_max", 0, "sessions_max is 0, and must be a whole number from 1 to"),
        ("deadline_s", "5", "deadline_s is '5', and must be a number above 0"),
        ("spans", 0, "spans is 0 and must be True or False"),
        ("durable", "no", "durable is 'no' and must be True or False"),
    ],
)
def test_settings_of_wrong_kinds_are_refused_in_a_sentence(named: str, value: object, said: str) -> None:
    """With the value, and what it must be."""
    with pytest.raises(SettingsError, match=said):
        Settings(**{named: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [4096.0, -1, None])
def test_a_specialist_whose_replies_have_no_whole_length_is_refused(value: Any) -> None:
    """Its sessions count with it."""
    said = f"output_tokens_max is {value}, and must be a whole number, 0 or more"

    with pytest.raises(TaskError, match=said):
        Specialist(name="a", purpose="p", prompt="p", output=BaseModel, output_tokens_max=value)


def test_a_task_may_have_the_name_of_another_tasks_run() -> None:
    """Names of tasks and of runs do not get in each other's way."""
    assert shape(iter([task("x", "r"), task("r", "s")])) == [("r", ["x"]), ("s", ["r"])]


def test_a_list_whose_runs_are_mixed_is_put_in_order_and_one_that_is_in_order_is_not_copied() -> None:
    """A plan that is there as a whole need not be sorted by its writer."""
    mixed = [task("a", "r"), task("b"), task("c", "r")]
    ordered = [task("a", "r"), task("c", "r"), task("b")]

    assert shape(checked(mixed)) == [("r", ["a", "c"]), ("b", ["b"])]
    assert checked(ordered) is ordered
    with pytest.raises(TaskError, match="task id 'a' is used twice"):
        checked([*mixed, task("a", "q")])


def test_a_thousand_tasks_that_ask_the_same_are_named_in_two_lines(caplog: pytest.LogCaptureFixture) -> None:
    """A warning that is longer than a screen is read by nobody."""
    tasks = [task(f"t{n}", objective="How many?") for n in range(1_000)]

    with caplog.at_level(logging.WARNING):
        passed = list(warned_of_overlaps(tasks))

    assert passed == tasks
    assert [record.message for record in caplog.records] == [
        "tasks ask the same of the same agent: t0, t1",
        "998 more tasks ask what another one asks, t2, t3, t4, t5, t6 among them",
    ]


def test_only_the_first_tasks_of_a_long_plan_are_compared(caplog: pytest.LogCaptureFixture) -> None:
    """What is remembered does not grow with the plan."""
    tasks = [task(f"t{n}", objective=f"How many of {n % (COMPARED_MAX + 1)}?") for n in range(COMPARED_MAX + 5)]

    with caplog.at_level(logging.WARNING):
        assert sum(1 for _ in warned_of_overlaps(iter(tasks))) == len(tasks)

    assert not caplog.records
