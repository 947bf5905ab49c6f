"""Small tasks and outcomes for tests."""

from __future__ import annotations

from typing import Any

from actors.contracts import Failure, Reason, Result, Task


def a_task(name: str = "a", *, run: str = "r", agent: str = "reader", **given: Any) -> Task:
    """A task of run `run` with id `run/name`."""
    fields: dict[str, Any] = {
        "id": f"{run}/{name}",
        "run_id": run,
        "agent": agent,
        "objective": "What is in it?",
        "output_schema": "Summary",
        "tokens_max": 10_000,
        "deadline_s": 30.0,
        "turns_max": 6,
        "idempotency_key": f"{run}/{name}",
    }
    return Task(**{**fields, **given})


def a_result(task: Task, **given: Any) -> Result:
    """A result of `task`."""
    fields: dict[str, Any] = {"attempt": task.attempt, "answer": '{"answer":1}'}
    return Result(task_id=task.id, run_id=task.run_id, agent=task.agent, **{**fields, **given})


def a_failure(task: Task, reason: Reason = Reason.TIMEOUT, message: str = "late") -> Failure:
    """A failure of `task`."""
    return Failure(
        task_id=task.id, run_id=task.run_id, agent=task.agent, attempt=task.attempt, reason=reason, message=message
    )
