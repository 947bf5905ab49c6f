"""Who answers while a model is down, at whose price, and how that is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence

import pytest
from pydantic import BaseModel

from actors.assembly import Assigned
from actors.contracts import NOTHING, Failure, JsonValue, Result, Usage
from actors.models.base import Message, ModelClient, ModelError, ModelReply, ModelRequest, StopReason, Text, ToolUse
from actors.models.offline import OFFLINE
from actors.models.scripted import ScriptedModel, calls, says
from actors.models.stand_in import StandIn
from actors.models.wire import usage_of
from actors.specialists.base import Answered, Call, Specialist
from actors.tools.base import tool
from budget.prices import price_of
from orchestrator.model_use import ModelUse
from support.hosts_alone import Ran, ran
from support.tasks import a_task

WORKER, DEAR = "claude-haiku-4-5", "claude-opus-5-5"


class Note(BaseModel):
    text: str


@tool
async def read(page: int) -> str:
    """Read a page."""
    return f"page {page}"


def rules(inputs: Mapping[str, JsonValue], answered: Sequence[Answered]) -> Sequence[Call] | BaseModel:
    """Read page 1, then say what it said."""
    if not answered:
        return [Call("read", {"page": 1})]
    return Note(text=f"rules read {answered[-1].content} of {inputs['book']}")


READER = Specialist(name="reader", purpose="Reads.", prompt="Read.", output=Note, tools=(read,), analyst=rules)


def down(error: ModelError, *, after: int = 0) -> ScriptedModel:
    """A model that reads a page a turn, and is down from its turn `after` on."""

    def script(request: ModelRequest) -> ModelReply:
        turn = len(request.messages) // 2
        if turn >= after:
            raise error
        return calls("read", usage=Usage(500, 20), id=f"toolu_{turn}", page=10 + turn)

    return ScriptedModel(script)


def asked_of(model: ModelClient, **prices: str) -> Ran:
    others = {name: price_of(name) for name in (DEAR, OFFLINE)}
    assigned = Assigned(model=WORKER, price=price_of(WORKER), others=others)
    return ran(READER, model, [a_task(inputs={"book": "ours"}, tokens_max=40_000)], assigned=assigned, **prices)


OPEN = ModelError("circuit of model is open", circuit_open=True)


@pytest.mark.parametrize("after", [0, 2])
@pytest.mark.parametrize("error", [OPEN, ModelError("503", attributes={"error.type": "server_error"})])
def test_the_specialists_own_rules_answer_when_the_model_is_down(error, after):
    """From the start or in mid-conversation: the rules begin anew, and the outcome says whose answer it is."""
    (outcome,) = asked_of(StandIn(down(error, after=after), "reader", rules)).outcomes

    assert isinstance(outcome, Result)
    assert outcome.output == {"text": "rules read page 1 of ours"}
    assert outcome.work.model == OFFLINE
    assert outcome.work.usage == Usage(500 * after, 20 * after)
    assert outcome.work.spent_tokens == 520 * after
    told = [json.loads(span.attributes) for span in outcome.work.spans if "fallback_why" in span.attributes]
    assert [(one["muster.fallback_for"], one["gen_ai.request.model"]) for one in told] == [(WORKER, OFFLINE)]


def test_what_the_lost_calls_may_have_cost_is_still_charged():
    """The rules are for nothing, the attempts before them are not."""
    error = ModelError("gone", unseen_tokens=700, attributes={"error.type": "lost"})
    found = asked_of(StandIn(down(error), "reader", rules))

    assert isinstance(found.outcomes[0], Result)
    assert found.outcomes[0].work.spent_tokens == found.standing.spent.tokens == 700
    assert found.outcomes[0].work.cost_microusd


@pytest.mark.parametrize("kind", ["rejected", "rate_limited"])
def test_a_refused_request_is_no_reason_to_answer_by_rules(kind):
    """A wrong key is not hidden by a poorer answer."""
    (outcome,) = asked_of(StandIn(down(ModelError("401", attributes={"error.type": kind})), "reader", rules)).outcomes

    assert isinstance(outcome, Failure)


def test_the_rules_answer_for_no_other_agent():
    """The small model that looks on is down as well: it has no rules."""
    model = StandIn(down(OPEN), "reader", rules)
    request = ModelRequest(agent="watchdog", model="m", system="", messages=(Message("user", (Text("?"),)),))

    with pytest.raises(ModelError):
        asyncio.run(model.reply(request))


@pytest.mark.parametrize("told", [{"called": DEAR}, {"model": DEAR}])
def test_a_reply_is_priced_by_the_model_that_gave_it(told):
    """And the outcome and the summary name it."""
    reply = says('{"text": "done"}', usage=Usage(1_000, 100))._replace(**told)
    found = asked_of(ScriptedModel(lambda _: reply))
    (outcome,) = found.outcomes
    dear = price_of(DEAR)
    assert dear is not None
    use = ModelUse()
    use.add([outcome])
    summary = use.models(price_of, {"reader": WORKER})

    assert outcome.work.model == DEAR
    assert outcome.work.cost_microusd == dear.cost(input_tokens=1_000, output_tokens=100)
    assert summary["fallbacks"] == [{"agent": "reader", "model": WORKER, "answered_by": DEAR, "tasks": 1}]


def test_a_name_that_no_list_knows_is_priced_as_the_model_that_was_asked():
    """Servers call models by names of their own."""
    reply = says('{"text": "done"}', usage=Usage(1_000, 100))._replace(model="worker-2026-11")
    (outcome,) = asked_of(ScriptedModel(lambda _: reply)).outcomes
    own = price_of(WORKER)
    assert own is not None

    assert outcome.work.model == WORKER
    assert outcome.work.cost_microusd == own.cost(input_tokens=1_000, output_tokens=100)


def test_the_hold_is_set_aside_at_the_dearest_price():
    """A ceiling that the own model would fit under does not pay for its fallback: nothing is begun."""
    own, dear = price_of(WORKER), price_of(DEAR)
    assert own is not None
    assert dear is not None
    limit = dear.worst_case(40_000) - 1
    asked: list[ModelRequest] = []

    def script(request: ModelRequest) -> ModelReply:
        asked.append(request)
        return says('{"text": "done"}')

    (outcome,) = asked_of(ScriptedModel(script), microusd=limit).outcomes  # type: ignore[arg-type]

    assert own.worst_case(40_000) < limit
    assert isinstance(outcome, Failure)
    assert outcome.reason.value == "budget_skip"
    assert asked == []


def test_cache_writes_for_an_hour_have_a_price_of_their_own():
    """Twice the plain price instead of a quarter more."""
    usage = Usage(10_000, 0, 0, 8_000, 8_000)
    reply = says('{"text": "done"}', usage=usage)._replace(model=WORKER)
    (outcome,) = asked_of(ScriptedModel(lambda _: reply)).outcomes
    own = price_of(WORKER)
    assert own is not None

    assert outcome.work.cost_microusd == own.cost(
        input_tokens=10_000, output_tokens=0, cache_write_tokens=8_000, cache_write_1h_tokens=8_000
    )
    assert outcome.work.cost_microusd > own.cost(input_tokens=10_000, output_tokens=0, cache_write_tokens=8_000)


def test_the_rules_usage_is_nobodys_bill():
    """Nothing, not an estimate."""
    model = StandIn(down(OPEN), "reader", rules)
    opening = Message("user", (Text("?"),))
    reply = asyncio.run(model.reply(ModelRequest(agent="reader", model="m", system="", messages=(opening,))))

    assert reply.usage is NOTHING
    assert reply.stop_reason is StopReason.TOOL_USE
    assert [block.id for block in reply.blocks if isinstance(block, ToolUse)] == ["rules-0"]


@pytest.mark.parametrize(
    ("told", "for_an_hour"),
    [
        ({}, 0),
        ({"cache_creation": None}, 0),
        ({"cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 5}}, 5),
        ({"cache_creation": {"ephemeral_1h_input_tokens": 500}}, 8),
    ],
)
def test_a_usage_that_tells_writes_for_an_hour_apart_is_read_so(told, for_an_hour):
    """Never more of them than writes."""
    usage = usage_of({"input_tokens": 10, "output_tokens": 1, "cache_creation_input_tokens": 8, **told})

    assert (usage.cache_write_tokens, usage.cache_write_1h_tokens) == (8, for_an_hour)
