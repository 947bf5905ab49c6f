"""What one service's outcomes come to: claims that stand, claims struck out, conflicts and gaps, in a fixed order.

A run becomes one small record as soon as it has finished, so that a batch holds thousands of them. The same outcomes
in any order give an equal record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from actors.contracts import Failure, Outcome, Reason, Result
from actors.specialists.findings import Findings
from orchestrator import scoring
from orchestrator.citations import Struck, strike
from orchestrator.claims import SOURCES, Claim, claim_of, merge, place
from orchestrator.conflicts import Fact, find_conflicts


class State(StrEnum):
    """What became of one source of one service."""

    READ = "read"
    ABSENT = "absent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A service as the synthesis knows it. `agents` are those for which a task was planned."""

    name: str
    agents: tuple[str, ...]
    owner: str = ""
    system: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A task that came to nothing, as the report lists it."""

    task_id: str
    agent: str
    reason: str
    message: str
    spent_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One service's answer. `weights` are the points of each source that was read, saturated."""

    name: str
    owner: str
    system: str
    states: Mapping[str, State]
    weights: Mapping[str, float]
    claims: tuple[Claim, ...]
    struck: tuple[Struck, ...]
    conflicts: tuple[str, ...]
    gaps: tuple[str, ...]
    failures: tuple[Failed, ...]
    tasks_planned: int
    tasks_succeeded: int


def weigh(subject: Subject, outcomes: Iterable[Outcome]) -> Evidence:
    """The evidence about one service in its outcomes, of which each agent has at most one that counts.

    A planned task without an outcome counts as cancelled: the run ended before it did.
    """
    chosen = _chosen(outcomes)
    answers = {agent: _answer(outcome) for agent, outcome in chosen.items() if isinstance(outcome, Result)}
    read = {agent: answer for agent, answer in answers.items() if answer is not None and agent in SOURCES}
    states = {source: _state(agent, subject, read) for agent, source in SOURCES.items()}
    claims: list[Claim] = []
    struck: list[Struck] = []
    for agent, answer in sorted(read.items()):
        outcome = chosen[agent]
        assert isinstance(outcome, Result)
        kept, fallen = strike(answer.findings, SOURCES[agent], frozenset(outcome.unresolved))
        claims += [claim_of(finding, SOURCES[agent]) for finding in kept]
        struck += fallen
    merged = merge(claims)
    failures = _failures(subject, chosen, answers)
    return Evidence(
        name=subject.name,
        owner=subject.owner,
        system=subject.system,
        states=states,
        weights={source: _weight(source, merged) for source, state in states.items() if state is State.READ},
        claims=merged,
        struck=tuple(sorted(struck, key=lambda s: (place(s.source), s.claim, s.citations))),
        conflicts=tuple(find_conflicts(_facts(read))),
        gaps=_gaps(states, read, failures),
        failures=failures,
        tasks_planned=len(set(subject.agents) | set(chosen)),
        tasks_succeeded=sum(answer is not None for answer in answers.values()),
    )


def _chosen(outcomes: Iterable[Outcome]) -> dict[str, Outcome]:
    """One outcome per agent: an answer before a failure, then the last attempt."""
    by_agent: dict[str, Outcome] = {}
    for outcome in sorted(outcomes, key=lambda o: (isinstance(o, Result), o.attempt, o.task_id)):
        by_agent[outcome.agent] = outcome
    return dict(sorted(by_agent.items()))


def _answer(result: Result) -> Findings | None:
    try:
        return Findings.model_validate(result.output)
    except ValueError:  # no JSON, or not in the form of findings
        return None


def _state(agent: str, subject: Subject, read: Mapping[str, Findings]) -> State:
    if agent in read:
        return State.READ
    return State.FAILED if agent in subject.agents else State.ABSENT


def _weight(source: str, claims: Iterable[Claim]) -> float:
    return scoring.source_points(source, (claim.points for claim in claims if claim.source == source))


def _facts(read: Mapping[str, Findings]) -> dict[str, dict[str, Fact]]:
    return {SOURCES[agent]: dict(answer.facts) for agent, answer in read.items()}


def _failures(
    subject: Subject, chosen: Mapping[str, Outcome], answers: Mapping[str, Findings | None]
) -> tuple[Failed, ...]:
    failed = []
    for agent in sorted(set(subject.agents) | set(chosen)):
        outcome = chosen.get(agent)
        if answers.get(agent) is not None:
            continue
        if isinstance(outcome, Failure):
            reason, message = outcome.reason, outcome.message
        elif outcome is not None:
            reason, message = Reason.INVALID_OUTPUT, "the answer does not have the form of findings"
        else:
            reason, message = Reason.CANCELLED, "the run ended before this task did"
        failed.append(
            Failed(
                task_id=outcome.task_id if outcome else f"{subject.name}/{agent}",
                agent=agent,
                reason=reason.value,
                message=message,
                spent_tokens=outcome.work.spent_tokens if outcome else 0,
            )
        )
    return tuple(failed)


def _gaps(states: Mapping[str, State], read: Mapping[str, Findings], failures: Sequence[Failed]) -> tuple[str, ...]:
    """What is not known about the service: first what was not read, then what the specialists could not tell."""
    absent = [f"{source}: absent, the manifest names none" for source, state in states.items() if state is State.ABSENT]
    failed = [f"{SOURCES.get(f.agent, f.agent)}: failed, {f.reason}: {f.message}" for f in failures]
    told = [f"{SOURCES[agent]}: {gap}" for agent in SOURCES if agent in read for gap in read[agent].gaps]
    return tuple(dict.fromkeys(absent + failed + told))
