"""Estates of many services for tests of what is made of them, and runs carried through without a driver."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from actors.contracts import Outcome, Reason, Result, Task
from actors.specialists.lead import overview
from actors.tables import OutcomeRows, outcome_batch
from orchestrator.batch_synthesis import Bounds, synthesis_run
from orchestrator.estate import Standing
from orchestrator.evidence import Evidence
from orchestrator.runs import Finish, Run, Runs, State
from support.answers import a_finding, an_answer, by_name, evidence_of, ranked
from support.tasks import a_failure, a_result

CAUSES = ("expired certificates", "no canary", "shared queue")
Answerer = Callable[[Task], Outcome]


def a_service(number: int) -> Evidence:
    """A service with one or two problems; every third shares a cause, every tenth lacks all sources but one."""
    name = f"svc-{number:04d}"
    agents = ("incidents",) if number % 10 == 9 else ("incidents", "code", "metrics", "runbooks")
    findings = [a_finding(f"{name} failed {number} times", severity="high", cause=CAUSES[number % 3])]
    if number % 2:
        findings.append(a_finding(f"{name} is slow {number}", severity="medium", cause="", kind="slow"))
    answers = [an_answer(*findings, service=name)]
    answers += [an_answer(service=name, agent=agent) for agent in agents[1:]]
    return evidence_of(*answers, service=name, agents=agents, owner=f"team-{number % 7}")


def estate(services: int) -> dict[str, Evidence]:
    return by_name(*map(a_service, range(services)))


def standings(services: int) -> list[Standing]:
    return ranked(*map(a_service, range(services)))


def last_run(services: int, bounds: Bounds) -> Run:
    """The run over an estate of so many services."""
    return synthesis_run(standings(services), estate(services), bounds)


def by_rules(task: Task) -> Result:
    """A lead that answers as the offline model does."""
    return a_result(task, answer=overview(task.inputs).model_dump_json())


def carried_through(
    run: Run, answer: Answerer = by_rules, order: Callable[[Sequence[Task]], Sequence[Task]] = list
) -> State:
    """The state of a run whose tasks were answered in this order, one outcome at a time, until it finished."""
    runs = Runs()
    step = runs.admit(run)
    while not isinstance(step, Finish):
        assert step, "nothing is open, and nothing was planned"
        for task in order(step):
            step = runs.end([task.id], [run.id], OutcomeRows(outcome_batch([answer(task)])))[run.id]
        runs.check()
    return runs.close(run.id)[1]


def failing(*fail: str, reason: Reason = Reason.TIMEOUT) -> Answerer:
    """Leads of which those whose task ids begin so fail."""
    return lambda task: a_failure(task, reason) if task.id.startswith(fail) else by_rules(task)
