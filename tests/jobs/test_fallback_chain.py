"""A chain of models over HTTP of which the first ones are down: each has its part of the call, and the last answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from actors.models.anthropic import AnthropicConfig
from actors.models.base import Message, ModelError, ModelReply, ModelRequest, Text
from actors.models.retry import RetryPolicy
from support.messages_server import Serving, serving

FIRST, SECOND, THIRD = "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-4-5"
FAST = RetryPolicy(base_s=0.001, delay_max_s=0.01)
LATE_S = 20.0  # a call that has not ended by then hangs


@pytest.fixture(scope="module")
def provider() -> Iterator[Serving]:
    with serving() as server:
        yield server


def down(*models: str, kind: str = "server_error") -> list[dict[str, Any]]:
    return [{"kind": kind, "share": 1.0, "model": model} for model in models]


def asked(provider: Serving, faults: list[dict[str, Any]], *, tokens_left: int | None = None, **config: Any) -> Any:
    """What came of one call of the first model."""
    provider.play({"faults": faults})
    request = ModelRequest(
        agent="a", model=FIRST, system="s", messages=(Message("user", (Text("Look."),)),), output_tokens_max=200,
        tokens_left=tokens_left, run_id="r",
    )  # fmt: skip

    async def call() -> ModelReply | ModelError:
        settings = {"retry": FAST, "fallbacks": {FIRST: SECOND, SECOND: THIRD}, **config}
        client = AnthropicConfig(base_url=provider.url, **settings).client({"ANTHROPIC_API_KEY": "sk-canary-chain-1"})
        try:
            return await asyncio.wait_for(client.reply(request), LATE_S)
        except ModelError as error:
            return error
        finally:
            await client.aclose()

    return asyncio.run(call())


def test_each_model_has_its_part_of_the_attempts_and_the_last_one_answers(provider):
    """None of them used up what was for the others: three attempts, three, and then an answer."""
    came = asked(provider, down(FIRST, SECOND))

    assert isinstance(came, ModelReply), came
    assert came.called == THIRD
    assert came.attributes["muster.attempts"] == 3 + 3 + 1
    assert came.attributes["muster.fallback_for"] == FIRST


def test_where_all_are_down_the_call_ends_with_its_attempts(provider):
    """No more of them than a single model has, and the error is the last one's."""
    came = asked(provider, down(FIRST, SECOND, THIRD))

    assert isinstance(came, ModelError)
    assert came.attributes["muster.attempts"] == FAST.attempts_max
    assert f"model {THIRD!r}" in str(came)
    assert "attempt 2 of 2" in str(came)


def test_a_model_that_says_nothing_leaves_time_to_the_next(provider):
    """One that hangs would take the whole deadline of its task."""
    came = asked(provider, down(FIRST, SECOND, kind="hang"), patience_s=0.3)

    assert isinstance(came, ModelReply), came
    assert came.called == THIRD
    assert came.attributes["muster.faults"] == ["timeout", "timeout"]
    assert came.unseen_tokens > 0


def test_a_model_that_asks_to_wait_longer_than_it_has_is_not_waited_for(provider):
    """Its time is that of the others."""
    came = asked(provider, [{**down(FIRST, kind="unavailable")[0], "retry_after_s": 60}], patience_s=5.0)

    assert isinstance(came, ModelReply), came
    assert came.called == SECOND
    assert came.attributes["muster.attempts"] == 2


def test_a_session_stays_with_whom_it_was_handed_to_and_a_new_one_begins_anew(provider):
    """Nobody waits for the same model at each of his turns; whoever comes later sees whether it is up again."""
    provider.play({"faults": down(FIRST)})
    opening = Message("user", (Text("Look."),))
    later = (opening, Message("assistant", (Text("I look."),)), Message("user", (Text("And?"),)))
    first = ModelRequest("a", FIRST, "s", (opening,), output_tokens_max=200, run_id="r")

    async def calls() -> list[Any]:
        config = AnthropicConfig(base_url=provider.url, retry=FAST, fallbacks={FIRST: SECOND})
        client = config.client({"ANTHROPIC_API_KEY": "sk-canary-chain-1"})
        try:
            requests = (first, first._replace(messages=later), first)
            return [(await client.reply(one)).attributes["muster.attempts"] for one in requests]
        finally:
            await client.aclose()

    assert asyncio.run(calls()) == [5, 1, 5]


def test_the_last_model_leaves_time_to_the_rules_behind_it(provider):
    """It is given up as down, and not for good when the task's time is over."""
    settings = {"patience_s": 0.3, "rules_follow": True, "fallbacks": {}}
    came = asked(provider, down(FIRST, kind="hang"), **settings)

    assert isinstance(came, ModelError)
    assert came.attributes["error.type"] == "timeout"
    assert "it has had 0.3 s, and rules stand in for it" in str(came)


def test_a_model_leaves_the_next_one_the_tokens_for_an_attempt(provider):
    """What lost attempts may have cost counts whoever is asked: the first one stops while there is room for another."""
    came = asked(provider, down(FIRST), tokens_left=1_500)

    assert isinstance(came, ModelReply), came
    assert came.called == SECOND
    assert came.attributes["muster.attempts"] == 3
    assert came.unseen_tokens + came.usage.total_tokens <= 1_500


def test_another_model_is_not_asked_beyond_the_ceiling_of_the_call(provider):
    """It holds for all of the chain together."""
    came = asked(provider, down(FIRST), tokens_left=600)

    assert isinstance(came, ModelError)
    assert "lost attempts may have cost" in str(came)
    assert came.attributes["muster.attempts"] == 1
    assert came.unseen_tokens <= 600


@pytest.mark.parametrize("kind", ["bad_request", "rate_limited"])
def test_what_is_the_callers_own_stays_with_the_first_model(provider, kind):
    """A wrong request is wrong for all of them, and a limit that is stated is waited for."""
    came = asked(provider, [{**down(FIRST, kind=kind)[0], "retry_after_s": 0.01}])

    assert isinstance(came, ModelError)
    assert f"model {FIRST!r}" in str(came)
    assert "muster.fallback_for" not in came.attributes
