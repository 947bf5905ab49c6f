"""What models were used for and billed: fallbacks, looks of a watchdog model, and what nobody saw a bill of."""

from __future__ import annotations

import json
from typing import Any

from actors.bill import OVERSEER_COST, OVERSEER_TOKENS
from actors.contracts import Result, Span, Usage, Work
from budget.prices import price_of
from orchestrator.model_use import ModelUse
from support.tasks import a_result, a_task

WORKER, LEAD = "claude-sonnet-5-5", "claude-opus-5-5"
LOOK = Span("chat small", 1.0, 2.0, "", json.dumps({OVERSEER_TOKENS: 400, OVERSEER_COST: 50}))


def outcome(model: str, **work: Any) -> Result:
    return a_result(a_task(), work=Work(model=model, **work))


def used(*outcomes: Result) -> ModelUse:
    use = ModelUse()
    use.add(outcomes)
    return use


def told(use: ModelUse, **assigned: str) -> Any:
    return use.models(price_of, assigned)


def test_the_comparison_with_one_model_counts_what_may_have_been_billed_unseen():
    """As it was charged on one side, at the other model's dearest on the other."""
    own, lead = price_of(WORKER), price_of(LEAD)
    assert own is not None
    assert lead is not None
    cost = own.cost(input_tokens=1_000, output_tokens=100) + own.worst_case(5_000)
    one = told(used(outcome(WORKER, usage=Usage(1_000, 100), spent_tokens=6_100, cost_microusd=cost)))

    assert one["used"][0]["unseen_tokens"] == 5_000
    assert one["one_model"]["same_tokens_microusd"] == cost
    assert one["one_model"]["cost_microusd"] == (
        lead.cost(input_tokens=1_000, output_tokens=100) + lead.worst_case(5_000)
    )


def test_looks_are_counted_apart_from_what_was_looked_at():
    """Their tokens are no unseen ones, their cost is none of the model's."""
    work = {"usage": Usage(1_000, 100), "spent_tokens": 1_900, "cost_microusd": 150, "spans": (LOOK, LOOK)}
    all_of_it = told(used(outcome(WORKER, **work), outcome(WORKER, usage=Usage(10, 1), spent_tokens=11)))

    assert all_of_it["watchdog"] == {"looks": 2, "tokens": 800, "cost_microusd": 100}
    assert (all_of_it["used"][0]["unseen_tokens"], all_of_it["used"][0]["cost_microusd"]) == (0, 50)


def test_who_stood_in_for_whom_is_counted_by_specialist():
    """A specialist that worked with its own model is not named."""
    use = used(outcome(LEAD), outcome(LEAD), outcome(WORKER))

    assert told(use, reader=WORKER)["fallbacks"] == [
        {"agent": "reader", "model": WORKER, "answered_by": LEAD, "tasks": 2}
    ]
    assert told(use)["fallbacks"] == []


def test_what_several_drivers_counted_adds_up():
    """In whatever order."""
    work = {"usage": Usage(1_000, 100), "spent_tokens": 1_500, "cost_microusd": 150, "spans": (LOOK,)}
    one, other, both = used(outcome(WORKER, **work)), used(outcome(LEAD)), used(outcome(LEAD), outcome(WORKER, **work))
    one.merge(other)

    assert told(one, reader=WORKER) == told(both, reader=WORKER)
