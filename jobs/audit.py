"""The reliability audit's plan: one run per service, one task for each of its sources."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from actors.contracts import JsonValue, Task
from actors.sources import Metrics, Source
from actors.specialists.findings import Findings
from actors.wording import iso
from budget.errors import TaskError
from jobs.catalog import Catalog, Service
from jobs.times import duration_text
from orchestrator.evidence import Subject

QUESTION = "Which of our services need reliability work?"
IDEMPOTENCY_KEY_MAX = 255  # what providers that honour such keys accept


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSettings:
    """Limits of every task. `batch_id` makes idempotency keys unique between batches, and the same after a resume."""

    batch_id: str
    tokens_max: int = 20_000  # four times what an offline session took on the sample estate (4,900 in the mean)
    deadline_s: float = 30.0
    turns_max: int = 12


@dataclass(frozen=True, slots=True)
class Agent:
    """One specialist, as the plan sees it: what it is asked, its own source, and what it is given beside it."""

    name: str
    question: str
    own: Callable[[Service], Source | None]
    also: tuple[Callable[[Service], Source | None], ...] = ()


AGENTS = (
    Agent(
        "incidents",
        "Find out from its incident records what went wrong in the window: how often, how badly, how long it took to "
        "restore, what is still open, which causes recur, whether it gets worse against the window before, and which "
        "of it another service caused.",
        lambda service: service.incidents,
    ),
    Agent(
        "code",
        "Find out from its Git history what makes it fragile: reverts and hotfixes, fixes soon after a change, files "
        "that change all the time, how few people know it, and changes shortly before incidents.",
        lambda service: service.git,
        (lambda service: service.incidents,),
    ),
    Agent(
        "metrics",
        "Find out from its metrics how it did in the window against the window before: errors, latency, saturation, "
        "traffic and availability; level shifts, trends, bursts, gaps and down time. Tell what it causes from what it "
        "only shows because of a neighbour.",
        lambda service: service.metrics,
    ),
    Agent(
        "runbooks",
        "Find out whether people on call could help themselves: which alerts and kinds of incident have no usable "
        "runbook, which pages are stale or empty, and which links lead nowhere.",
        lambda service: service.runbooks,
        (lambda service: service.incidents, lambda service: service.git),  # old pages of what does not change are right
    ),
)


def plan(service: Service, catalog: Catalog, settings: PlanSettings, *, priority: int = 0) -> list[Task]:
    """The tasks of one service's run, in the order of AGENTS; none for a source that it lacks.

    `priority` is the service's place in the batch. The same arguments give the same tasks, ids and keys included.
    Raises TaskError when the batch's id and the service's name are together too long for an idempotency key.
    """
    return [_task(agent, service, catalog, settings, priority) for agent in AGENTS if agent.own(service) is not None]


def subject(service: Service) -> Subject:
    """The service as the synthesis knows it, with the agents that `plan` gives a task."""
    agents = tuple(agent.name for agent in AGENTS if agent.own(service) is not None)
    return Subject(name=service.name, agents=agents, owner=service.owner, system=service.system)


def _task(agent: Agent, service: Service, catalog: Catalog, settings: PlanSettings, priority: int) -> Task:
    key = f"{settings.batch_id}/{service.name}/{agent.name}"
    if len(key) > IDEMPOTENCY_KEY_MAX:
        raise TaskError(f"idempotency key {key!r} has {len(key)} characters, at most {IDEMPOTENCY_KEY_MAX}: shorten it")
    return Task(
        id=f"{service.name}/{agent.name}",
        run_id=service.name,
        agent=agent.name,
        objective=_objective(agent, service),
        output_schema=Findings.__name__,
        tokens_max=settings.tokens_max,
        deadline_s=settings.deadline_s,
        turns_max=settings.turns_max,
        idempotency_key=key,
        inputs=_inputs(agent, service, catalog),
        priority=priority,
    )


def _objective(agent: Agent, service: Service) -> str:
    window = service.window
    whose = f"service {service.name!r}" + (f" of system {service.system!r}" if service.system else "")
    return (
        f"Audit the reliability of {whose}. {agent.question} The window is the {duration_text(window.length_s)} from "
        f"{iso(window.start_s)} to {iso(window.as_of_s)}. Answer with findings that somebody could "
        f"act on, each with citations as the tools return them; name what could not be known."
    )


def _inputs(agent: Agent, service: Service, catalog: Catalog) -> dict[str, JsonValue]:
    """What the specialist's tools may read: its own source, the window, and nothing that it has no use for."""
    read = [agent.own(service), *(other(service) for other in agent.also), service.window]
    inputs: dict[str, JsonValue] = {"service": service.name}
    for source in read:
        if isinstance(source, Metrics):
            neighbours = catalog.neighbours(service)
            source = Metrics(source.base, source.url, source.selector, source.file, neighbours)
        if source is not None:
            inputs[source.key] = source.as_json()
    return inputs
