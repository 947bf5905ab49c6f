"""The client against a Messages API server over real HTTP: replies, bills, faults, cancelling, and a silent key."""

from __future__ import annotations

import asyncio
import logging
import pickle
import socket
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pydantic import BaseModel, Field

from actors.models.anthropic import AnthropicConfig, AnthropicModel
from actors.models.attempt import signal_of
from actors.models.base import (
    Message,
    ModelError,
    ModelReply,
    ModelRequest,
    Opaque,
    StopReason,
    Text,
    ToolResult,
    ToolSpec,
    ToolUse,
    Unseen,
    unseen_of,
    unseen_tokens_of,
)
from actors.models.brake import BrakeLimits, Signal
from actors.models.breaker import BreakerLimits
from actors.models.key import Key, read_key
from actors.models.retry import RetryPolicy, status_fault
from actors.schema import output_schema, validated
from budget.errors import SettingsError
from support.messages_server import Serving, serving

CANARY = "sk-ant-canary-4711-do-not-print"
FAST = RetryPolicy(base_s=0.001, delay_max_s=0.01)
TOOL = ToolSpec("look", "Looks.", {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]})
LATE_S = 5.0  # a call that has not ended by then hangs


class Page(BaseModel):
    """An answer."""

    summary: str = Field(max_length=50)
    facts: dict[str, float] = Field(default_factory=dict)


def request(text: str = "Look at this.", **changes: Any) -> ModelRequest:
    asked: dict[str, Any] = {
        "agent": "test",
        "model": "claude-sonnet-5-5",
        "system": "You are a specialist. " * 40,
        "messages": (Message("user", (Text(text),)),),
        "output_tokens_max": 500,
        **changes,
    }
    return ModelRequest(**asked)


class Caller:
    """One client in one event loop, used from a plain test."""

    def __init__(self, runner: asyncio.Runner, client: AnthropicModel) -> None:
        self.client = client
        self._runner = runner

    def reply(self, asked: ModelRequest) -> ModelReply:
        return self._runner.run(asyncio.wait_for(self.client.reply(asked), LATE_S * 4))

    def replies(self, *asked: ModelRequest) -> list[ModelReply | BaseException]:
        async def all_at_once() -> list[ModelReply | BaseException]:
            return await asyncio.gather(*(self.client.reply(one) for one in asked), return_exceptions=True)

        return self._runner.run(asyncio.wait_for(all_at_once(), LATE_S * 4))


@contextmanager
def calling(server: Serving | str, **settings: Any) -> Iterator[Caller]:
    url = server if isinstance(server, str) else server.url
    settings = {"retry": FAST, **settings}
    with asyncio.Runner() as runner:
        client = AnthropicConfig(base_url=url, **settings).client({"ANTHROPIC_API_KEY": CANARY})
        try:
            yield Caller(runner, client)
        finally:
            runner.run(client.aclose())


@pytest.fixture(scope="module")
def process() -> Iterator[Serving]:
    with serving() as server:
        yield server


@pytest.fixture
def playing(process: Serving) -> Callable[[dict[str, Any]], Serving]:
    """One server process for all tests here: `playing(plan)` starts it over with another plan and an empty meter."""
    return process.play


@pytest.fixture
def healthy(process: Serving) -> Serving:
    return process.play({"key": CANARY})


def test_a_conversation_with_tools_ends_in_an_answer_under_its_schema(healthy):
    """Tool calls out, results in, structured output last: every turn in the form that the API takes."""
    first = request(tools=(TOOL,), output_schema=output_schema(Page), effort="high")
    with calling(healthy) as caller:
        asks = caller.reply(first)
        (call,) = [block for block in asks.blocks if isinstance(block, ToolUse)]
        turn = (Message("assistant", asks.blocks), Message("user", (ToolResult(call.id, "broken", True), Text(" "))))
        answer = caller.reply(first._replace(messages=first.messages + turn, final=True))

    assert (asks.stop_reason, answer.stop_reason) == (StopReason.TOOL_USE, StopReason.END_TURN)
    assert validated(Page, answer.blocks[0].text) == {"summary": "text", "facts": {}}


def test_the_bill_is_the_servers_and_the_second_session_reads_the_shared_prefix(healthy):
    """Input includes cache reads and writes; prompts of thousands of sessions are written to the cache once."""
    healthy.clear()
    system = "Only here. " * 50
    with calling(healthy) as caller:
        first, second = (caller.reply(request(f"service {n}", system=system, tools=(TOOL,))) for n in range(2))

    meter, spent = healthy.meter(), first.usage + second.usage
    assert (spent.input_tokens, spent.output_tokens) == (meter["input_tokens"], meter["output_tokens"])
    assert first.usage.cache_write_tokens == second.usage.cache_read_tokens > 100
    assert (first.usage.cache_read_tokens, second.usage.cache_write_tokens) == (0, 0)


def test_a_long_reply_is_streamed_and_is_the_same(healthy):
    """Above what the API gives in one piece the client streams; nobody else can tell."""
    asked = request(tools=(TOOL,), output_tokens_max=400)
    with calling(healthy) as caller:
        whole = caller.reply(asked)
    with calling(healthy, stream_above_tokens=100) as caller:
        streamed = caller.reply(asked)

    assert streamed.blocks == whole.blocks
    assert streamed.stop_reason == whole.stop_reason
    assert streamed.usage.total_tokens - whole.usage.total_tokens in (3, 4)  # "stream":true is 14 bytes
    assert streamed.attributes["gen_ai.request.stream"] is True
    assert streamed.attributes["gen_ai.response.time_to_first_chunk"] >= 0


def test_a_reply_says_what_a_span_needs(healthy):
    """Names of the GenAI conventions; the server, the request's id and the attempts."""
    with calling(healthy) as caller:
        told = caller.reply(request()).attributes

    assert told["gen_ai.operation.name"] == "chat"
    assert told["gen_ai.response.finish_reasons"] == ["end_turn"]
    assert (told["server.address"], told["muster.attempts"]) == ("127.0.0.1", 1)
    assert str(told["muster.request_id"]).startswith("req_")


@pytest.mark.parametrize(
    ("kind", "stop_reason"),
    [
        ("refusal", StopReason.REFUSAL),
        ("max_tokens", StopReason.MAX_TOKENS),
        ("pause_turn", StopReason.PAUSE_TURN),
        ("model_context_window_exceeded", StopReason.CONTEXT_WINDOW),
        ("unknown_stop", StopReason.END_TURN),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_every_way_to_stop_is_told(kind, stop_reason, stream, playing):
    """A reason that is not known yet counts as an ordinary end, and the span has its name."""
    server = playing({"faults": [{"kind": kind, "first": 1}]})
    with calling(server, stream_above_tokens=0 if stream else 21_333) as caller:
        reply = caller.reply(request())

    assert reply.stop_reason is stop_reason


@pytest.mark.parametrize("stream", [False, True])
def test_blocks_of_kinds_that_are_not_known_are_handed_back_as_they_came(stream, playing):
    """Thinking, with its signature, and kinds of the future."""
    server = playing({"faults": [{"kind": "thinking", "first": 1}]})
    with calling(server, stream_above_tokens=0 if stream else 21_333) as caller:
        first = caller.reply(request())
        turn = (Message("assistant", first.blocks), Message("user", (Text("go on"),)))
        caller.reply(request()._replace(messages=request().messages + turn))

    thought, future = (block for block in first.blocks if isinstance(block, Opaque))
    assert thought.raw == {"type": "thinking", "thinking": "", "signature": "c2lnbmVk"}
    assert future.raw == {"type": "shape_of_2031", "payload": [1, {"a": None}]}


UNBILLED = ["rate_limited", "overloaded", "conflict", "reset_before"]
BILLED = ["reset", "reset_midway", "truncated", "not_json", "empty", "hang", "hang_midway", "wrong_types", "no_usage"]
BILLED += ["not_an_object", "deep"]
BILLED_STATUSES = ["server_error", "bad_gateway", "unavailable", "gateway_timeout", "request_timeout"]


@pytest.mark.parametrize("kind", UNBILLED + BILLED + BILLED_STATUSES)
def test_a_passing_fault_is_survived_and_what_it_may_have_cost_is_said(kind, playing):
    """The bill of both attempts at the server's own meter is at most what the reply says it was."""
    plan = {"faults": [{"kind": kind, "first": 1, "billed": kind in BILLED_STATUSES, "hang_s": 60}]}
    server = playing(plan)
    with calling(server, timeout_s=1.0) as caller:
        reply = caller.reply(request())
        meter = server.meter()

    assert reply.attributes["muster.attempts"] == 2
    assert meter["total_tokens"] <= reply.usage.total_tokens + reply.unseen_tokens
    assert (reply.unseen_tokens > 0) == (kind not in {"rate_limited", "overloaded", "conflict"})


@pytest.mark.parametrize("kind", ["stream_error", "reset_midway", "hang_midway", "truncated", "reset", "overloaded"])
def test_a_broken_stream_is_survived_and_billed_at_most_once_more(kind, playing):
    """What a stream said of its input before it broke is believed; its output counts in full."""
    server = playing({"faults": [{"kind": kind, "first": 1, "hang_s": 60}]})
    with calling(server, timeout_s=1.0, stream_above_tokens=0) as caller:
        reply = caller.reply(request(tools=(TOOL,)))
    meter = server.meter()

    assert reply.attributes["muster.attempts"] == 2
    assert meter["total_tokens"] <= reply.usage.total_tokens + reply.unseen_tokens


@pytest.mark.parametrize(
    "kind", ["bad_request", "payment_required", "forbidden", "too_large", "unprocessable", "redirect"]
)
def test_a_wrong_request_fails_at_once_and_for_nothing(kind, playing):
    """One attempt, no tokens, and the server's own words; a redirect is not followed: it would carry the key away."""
    server = playing({"faults": [{"kind": kind, "first": 9}]})
    with calling(server) as caller:
        with pytest.raises(ModelError) as caught:
            caller.reply(request())
        meter = server.meter()

    assert (meter["requests"], caught.value.unseen_tokens, caught.value.circuit_open) == (1, 0, False)
    assert "trying again would not help" in str(caught.value)


def test_a_refused_connection_costs_nothing():
    """Nothing was sent, so nothing can be billed, however often it was tried."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with calling(url) as caller, pytest.raises(ModelError) as caught:
            caller.reply(request())

    assert caught.value.unseen_tokens == 0
    assert "attempt 8 of 8" in str(caught.value)


def test_no_retry_is_made_that_could_pass_the_ceiling_of_the_call(playing):
    """Replies that are lost again and again: the server's meter stays below tokens_left."""
    left_tokens = 12_000
    server = playing({"faults": [{"kind": "reset", "share": 1.0}]})
    with calling(server) as caller:
        with pytest.raises(ModelError) as caught:
            caller.reply(request(tokens_left=left_tokens))
        meter = server.meter()

    assert 1 < meter["requests"] < 8
    assert meter["total_tokens"] <= caught.value.unseen_tokens <= left_tokens
    assert "lost attempts may have cost" in str(caught.value)


def test_a_model_that_always_says_429_gets_a_bounded_number_of_calls(playing):
    """Attempts, not minutes: nothing is spent, and nothing loops."""
    server = playing({"faults": [{"kind": "rate_limited", "share": 1.0}]})
    with calling(server, retry=RetryPolicy(attempts_max=3, base_s=0.001)) as caller:
        with pytest.raises(ModelError) as caught:
            caller.reply(request())
        meter = server.meter()

    assert (meter["requests"], meter["billed"], caught.value.unseen_tokens) == (3, 0, 0)


def test_thirty_percent_faults_of_five_kinds_lose_no_call_and_no_bill(playing):
    """200 calls: all answered, and what clients say they may have cost covers the server's meter."""
    kinds = ["reset", "truncated", "server_error", "overloaded", "wrong_types"]
    plan = {"seed": 4, "faults": [{"kind": kind, "share": 0.06, "billed": True} for kind in kinds]}
    server = playing(plan)
    with calling(server) as caller:
        replies = caller.replies(*(request(f"service {n}") for n in range(200)))
        meter = server.meter()

    answered = [reply for reply in replies if isinstance(reply, ModelReply)]
    said = sum(reply.usage.total_tokens + reply.unseen_tokens for reply in answered)
    assert len(answered) == 200
    assert meter["unseen"] > 20
    assert meter["total_tokens"] <= said


def test_cancelling_ends_a_backoff_at_once_and_says_what_was_lost(playing):
    """The session's deadline reaches into the sleep: the reset attempt may be billed, the sleep is not."""
    slow = RetryPolicy(base_s=3600.0, delay_max_s=3600.0)

    async def cut_short(client: AnthropicModel) -> Unseen | None:
        try:
            async with asyncio.timeout(0.5):
                await client.reply(request())
        except TimeoutError as error:
            return unseen_of(error)
        return None

    server = playing({"faults": [{"kind": "reset", "first": 1}]})
    with asyncio.Runner() as runner:
        client = AnthropicConfig(base_url=server.url, retry=slow).client({"ANTHROPIC_API_KEY": CANARY})
        unseen = runner.run(asyncio.wait_for(cut_short(client), LATE_S))
        meter = server.meter()
        runner.run(client.aclose())

    assert unseen is not None
    assert meter["total_tokens"] <= unseen.tokens < 10_000
    assert unseen.attributes["muster.faults"] == ["lost"]
    assert meter["requests"] == 1


def test_cancelling_on_the_wire_counts_the_attempt_and_before_it_counts_nothing(playing):
    """A call that waits for its turn has cost nothing; one that was sent may be billed."""

    async def both(client: AnthropicModel) -> list[int]:
        tasks = [asyncio.create_task(client.reply(request())) for _ in range(5)]  # 1 goes, 4 wait
        await asyncio.sleep(0.5)
        for task in tasks:
            task.cancel()
        return [await lost(task) for task in tasks]

    async def lost(task: asyncio.Task[ModelReply]) -> int:
        try:
            await task
        except asyncio.CancelledError as error:
            return unseen_tokens_of(error, otherwise=-1)
        return -2

    server = playing({"faults": [{"kind": "hang", "share": 1.0}]})
    with asyncio.Runner() as runner:
        patient = BrakeLimits(patience_min_s=60.0)  # nothing is sent beside the first call before it is answered
        client = AnthropicConfig(base_url=server.url, brake=patient).client({"ANTHROPIC_API_KEY": CANARY})
        unseen = runner.run(asyncio.wait_for(both(client), LATE_S))
        meter = server.meter()
        runner.run(client.aclose())

    assert sorted(tokens > 0 for tokens in unseen) == [False] * 4 + [True]
    assert meter["total_tokens"] <= sum(unseen)


def test_an_outage_opens_the_circuit_and_calls_fail_fast(playing):
    """After sixteen failures nobody calls any more; the failure says why, and that the circuit is open."""
    once = RetryPolicy(attempts_max=1)
    server = playing({"faults": [{"kind": "server_error", "share": 1.0}]})
    with calling(server, retry=once, breaker=BreakerLimits(wait_s=0)) as caller:
        errors = [caller.replies(request())[0] for _ in range(40)]
        meter = server.meter()

    assert meter["requests"] == 16
    assert all(isinstance(error, ModelError) for error in errors)
    assert [error.circuit_open for error in errors] == [False] * 16 + [True] * 24
    assert "status 500" in str(errors[-1])


@pytest.mark.parametrize("kind", ["server_error", "unavailable", "overloaded", "reset_before"])
def test_a_moment_of_trouble_fails_no_call(playing, kind):
    """Calls that find the circuit open wait for its trial: they have their deadline for that."""
    server = playing({"faults": [{"kind": kind, "first": 20}]})
    with calling(server, breaker=BreakerLimits(open_s=0.05)) as caller:
        replies = caller.replies(*(request(str(n)) for n in range(200)))

    assert {type(reply) for reply in replies} == {ModelReply}


def test_an_outage_is_waited_for_once_and_not_by_everybody_after_another(playing):
    """Whoever comes when it has lasted a while is refused at once."""
    server = playing({"faults": [{"kind": "server_error", "share": 1.0}]})
    limits = BreakerLimits(open_s=0.05, wait_s=0.5)
    with calling(server, retry=RetryPolicy(attempts_max=1), breaker=limits) as caller:
        first = caller.replies(*(request(str(n)) for n in range(40)))
        sent = server.meter()["requests"]
        then = [caller.replies(request())[0] for _ in range(20)]
        meter = server.meter()

    assert all(isinstance(error, ModelError) for error in (*first, *then))
    assert sum(error.circuit_open for error in then) >= 16
    assert 16 < sent <= meter["requests"] <= 40


def test_clients_of_one_process_share_what_they_learn_of_a_server(playing):
    """What one host's client finds out, brake and breaker, the others need not find out again."""
    once = RetryPolicy(attempts_max=1)
    server = playing({"faults": [{"kind": "server_error", "share": 1.0}]})
    config = AnthropicConfig(base_url=server.url, retry=once, breaker=BreakerLimits(wait_s=0))

    async def calls(times: int) -> ModelError:
        client = config.client({"ANTHROPIC_API_KEY": CANARY})
        errors = [(await asyncio.gather(client.reply(request()), return_exceptions=True))[0] for _ in range(times)]
        await client.aclose()
        return errors[-1]

    async def one_after_the_other() -> tuple[ModelError, ModelError]:
        return await calls(16), await calls(1)

    first, second = asyncio.run(one_after_the_other())
    meter = server.meter()

    assert (first.circuit_open, second.circuit_open) == (False, True)
    assert meter["requests"] == 16


def test_hosts_of_one_process_stay_under_a_small_limit_together(playing):
    """Four clients at once on twenty requests a second: none of them drains the bucket under the others."""
    server = playing({"limits": {"requests_per_s": 20, "requests_burst": 20}, "latency_ms": 20})
    config = AnthropicConfig(base_url=server.url)

    async def host() -> None:
        client = config.client({"ANTHROPIC_API_KEY": CANARY})
        await asyncio.gather(*(client.reply(request()) for _ in range(15)))
        await client.aclose()

    async def all_hosts() -> None:
        await asyncio.gather(*(host() for _ in range(4)))

    asyncio.run(all_hosts())
    meter = server.meter()

    assert meter["billed"] == 60
    assert meter["statuses"].get("429", 0) <= 1


def test_calls_of_one_host_that_hang_do_not_stop_those_of_another(playing):
    """The calls that a brake begins with never come back; the others find out that the server answers all the same."""
    server = playing({"faults": [{"kind": "hang", "first": 3}]})
    config = AnthropicConfig(base_url=server.url)

    async def main() -> int:
        one, other = (config.client({"ANTHROPIC_API_KEY": CANARY}) for _ in range(2))
        stuck = [asyncio.create_task(one.reply(request())) for _ in range(3)]
        await asyncio.sleep(0)
        async with asyncio.timeout(LATE_S * 4):
            replies = await asyncio.gather(*(other.reply(request()) for _ in range(40)))
        for task in stuck:
            task.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)
        await asyncio.gather(one.aclose(), other.aclose())
        return len(replies)

    assert asyncio.run(main()) == 40


def test_a_fallback_model_takes_over_while_the_circuit_is_open(playing):
    """Once it is open nobody asks the first one; the reply says which model it was, for the bill and the report."""
    plan = {"faults": [{"kind": "overloaded", "share": 1.0, "model": "claude-sonnet-5-5"}]}
    settings = {"fallbacks": {"claude-sonnet-5-5": "claude-haiku-5-5"}, "retry": FAST}
    limits = BreakerLimits(window=3, failures_min=3)
    server = playing(plan)
    with calling(server, breaker=limits, **settings) as caller:
        replies = [caller.reply(request()) for _ in range(4)]

    assert [reply.model for reply in replies] == ["claude-haiku-5-5"] * 4
    assert [reply.attributes["muster.attempts"] for reply in replies] == [3, 2, 1, 1]


@pytest.mark.parametrize(
    ("status", "headers", "signal"),
    [
        (429, {}, Signal.RATE_LIMITED),
        (529, {}, Signal.OVERLOADED),
        (503, {"retry-after": "5"}, Signal.OVERLOADED),
        (503, {}, Signal.NOTHING),
        (500, {}, Signal.NOTHING),
        (400, {"retry-after": "5"}, Signal.NOTHING),
    ],
)
def test_what_a_status_tells_of_the_load(status, headers, signal):
    """A server that is down is the breaker's business; one that asks to wait is the brake's."""
    assert signal_of(status_fault(status, "", headers)) is signal


def test_a_huge_reply_is_read_and_one_beyond_all_measure_is_not(playing):
    """8 MB of text is odd but a reply; 40 MB is given up before it is in memory."""
    server = playing({"faults": [{"kind": "huge", "first": 1, "bytes": 8_000_000}]})
    with calling(server) as caller:
        reply = caller.reply(request())
    server = playing({"faults": [{"kind": "huge", "share": 1.0, "bytes": 40_000_000}]})
    with (
        calling(server, retry=RetryPolicy(attempts_max=1)) as caller,
        pytest.raises(ModelError, match="33554432 bytes"),
    ):
        caller.reply(request())

    assert len(reply.blocks[0].text) == 8_000_000


def test_a_conversation_that_must_cost_more_than_is_reckoned_is_not_sent(playing):
    """A reply of megabytes that was counted at a few tokens: what it costs to send back, nobody has told."""
    server = playing({})
    with calling(server) as caller:
        (ended,) = caller.replies(request("z" * 3_000_000, input_tokens_max=6_000, tokens_left=20_000))

    assert isinstance(ended, ModelError)
    assert "not sent" in str(ended)
    assert (ended.unseen_tokens, server.meter()["total_tokens"]) == (0, 0)


def test_half_a_surrogate_pair_does_not_get_in(playing):
    """Text that no file could hold is mended at the door."""
    server = playing({"faults": [{"kind": "surrogate", "first": 1}]})
    with calling(server) as caller:
        reply = caller.reply(request("half a pair: \ud800"))

    assert reply.blocks == (Text("a � b"),)


def test_the_key_is_nowhere(caplog, capsys, playing):
    """Errors, their tracebacks and pickles, reprs, and all logs at DEBUG: also when the server echoes the key."""
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []
    server = playing({"key": "another"})
    with calling(server) as caller:
        with pytest.raises(ModelError) as caught:
            caller.reply(request())
        shown += [repr(caller.client), str(vars(caller.client)), repr(caller.client.config)]
        shown.append("".join(traceback.format_exception(caught.value)))
        shown += [repr(caught.value), str(caught.value.attributes), str(pickle.dumps(caught.value))]
        shown.append(str(caught.value.__context__) + str(caught.value.__cause__))
    server = playing({"faults": [{"kind": "reset", "share": 1.0}]})
    with calling(server) as caller:
        with pytest.raises(ModelError) as caught:
            caller.reply(request())
        shown.append("".join(traceback.format_exception(caught.value)))
    shown += [record.getMessage() + str(record.args) for record in caplog.records]
    shown += capsys.readouterr()

    assert "invalid key [key]" in shown[3]
    assert not [text for text in shown if CANARY in text]


def test_neither_key_nor_client_travels():
    """A configuration pickles; what holds the key refuses to."""
    config = AnthropicConfig(base_url="http://127.0.0.1:9")
    client = config.client({"ANTHROPIC_API_KEY": CANARY})

    assert pickle.loads(pickle.dumps(config)) == config
    for secret in (Key(CANARY), client):
        with pytest.raises(TypeError, match="does not travel"):
            pickle.dumps(secret)


def test_a_key_file_is_read_only_when_it_is_its_owners_alone(tmp_path):
    """Mode 600 is taken, 644 is refused with what to do; the error does not show the key."""
    file = tmp_path / "key"
    file.write_text(f"{CANARY}\n")
    file.chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600") as open_to_others:
        read_key(str(file), {})
    file.chmod(0o600)

    assert read_key(str(file), {}).reveal() == CANARY
    assert CANARY not in str(open_to_others.value)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "set ANTHROPIC_API_KEY"),
        ({"ANTHROPIC_API_KEY": " "}, "set"),
        ({"ANTHROPIC_API_KEY": "a\nb"}, "unprintable"),
    ],
)
def test_a_missing_or_odd_key_is_the_callers_mistake(environment, words):
    """Said before anything is spent."""
    with pytest.raises(SettingsError, match=words):
        AnthropicConfig().client(environment)


@pytest.mark.parametrize(
    "url",
    [
        "api.example.org", "ftp://x", "http://", f"https://me:{CANARY}@x", f"https://x/?k={CANARY}", "http://x:port",
        "http://x:99999", "http://[::1", "http://x/\x1b[2J", "http://x y/",
    ],
)  # fmt: skip
def test_a_base_url_is_an_address_and_no_secret(url):
    """Credentials in a URL would end up in logs and reports."""
    with pytest.raises(SettingsError) as caught:
        AnthropicConfig(base_url=url)

    assert CANARY not in str(caught.value)


def test_a_limited_server_refuses_few_and_is_used_well(playing):
    """Against a true token bucket of 200 a second over real HTTP: under 1 % refused, all calls answered."""
    plan = {"latency_ms": 20, "limits": {"requests_per_s": 200, "requests_burst": 200}}
    server = playing(plan)
    with calling(server, retry=RetryPolicy()) as caller:
        replies = caller.replies(*(request(f"{n}") for n in range(800)))
        meter = server.meter()

    assert all(isinstance(reply, ModelReply) for reply in replies)
    assert meter["statuses"].get("429", 0) / meter["requests"] < 0.01
