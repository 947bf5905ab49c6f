"""The Messages API's JSON: what a request becomes, and which replies are none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from actors.contracts import Usage
from actors.models.base import Message, ModelRequest, Opaque, StopReason, Text, ToolResult, ToolSpec, ToolUse
from actors.models.events import Assembly, StreamFault
from actors.models.wire import Malformed, implausible, json_object, payload, request_body, worst_tokens
from support.messages_replies import checked
from support.messages_server import _events

TOOL = ToolSpec("look", "Looks.", {"type": "object", "properties": {}})


def request(**changes: Any) -> ModelRequest:
    asked: dict[str, Any] = {
        "agent": "a",
        "model": "m",
        "system": "s",
        "messages": (Message("user", (Text("q"),)),),
        "tools": (TOOL,),
        **changes,
    }
    return ModelRequest(**asked)


def body(asked: ModelRequest, **options: Any) -> dict[str, Any]:
    return json.loads(request_body(asked, asked.model, **{"stream": False, "cache_ttl": "5m", **options}))


def reply(**changes: Any) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": "hello"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 10, "output_tokens": 5},
        **changes,
    }


def test_the_shared_prefix_comes_first_and_is_marked_once():
    """Tools, system prompt, messages: the mark on the system prompt covers both; without one it is on the last tool."""
    whole, bare = body(request()), body(request(system=""))

    assert list(whole)[2:] == ["tools", "system", "messages"]
    assert whole["system"][-1]["cache_control"] == {"type": "ephemeral"}
    assert "cache_control" not in json.dumps([whole["tools"], whole["messages"]])
    assert bare["tools"][-1]["cache_control"] == {"type": "ephemeral"}
    assert "cache_control" not in json.dumps(body(request(), cache_ttl=None))


def test_from_the_third_turn_on_the_conversation_is_cached_too():
    """A cache write costs a quarter more: it is made where another turn is likely to read it."""
    turn = (Message("assistant", (ToolUse("t", "look", {}),)), Message("user", (ToolResult("t", "r"),)))
    asked = [request(messages=request().messages + turn * count) for count in (1, 2)]

    marks = [json.dumps(body(one)["messages"]).count("cache_control") for one in asked]

    assert marks == [0, 1]


def test_every_block_goes_out_as_the_api_takes_it():
    """Opaque blocks unchanged, failed results marked, blank text left out; the last turn may call no tool."""
    blocks = (Opaque({"type": "thinking", "signature": "x"}), Text("  "), ToolUse("t", "look", {"a": 1}))
    messages = (*request().messages, Message("assistant", blocks), Message("user", (ToolResult("t", "no", True),)))
    sent = body(request(messages=messages, final=True, effort="low", output_schema={"type": "object"}))

    assert [block["type"] for block in sent["messages"][1]["content"]] == ["thinking", "tool_use"]
    assert sent["messages"][2]["content"] == [
        {"type": "tool_result", "tool_use_id": "t", "content": "no", "is_error": True}
    ]
    assert sent["tool_choice"] == {"type": "none"}
    assert sent["output_config"] == {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}}
    assert checked({**sent, "output_config": {}})


def test_the_worst_case_is_every_byte_a_token_unless_the_caller_knows_better():
    """With tools or a schema the provider adds words of its own."""
    assert worst_tokens(request(tools=(), output_tokens_max=7), 100) == 107
    assert worst_tokens(request(output_tokens_max=7), 100) == 1_107
    assert worst_tokens(request(output_tokens_max=7, input_tokens_max=300), 100) == 307
    assert worst_tokens(request(output_tokens_max=7, input_tokens_max=9_999), 100) == 1_107


def test_a_conversation_of_megabytes_that_was_counted_at_a_few_tokens_is_not_sent():
    """A provider that counts little may count all of it the next time; one that counts the same each time is served."""
    counted = request(input_tokens_max=6_000)

    assert implausible(counted, 300_000) == ""
    assert "3,000,000 bytes, and its provider has counted 6,000 tokens" in implausible(counted, 3_000_000)
    assert implausible(request(input_tokens_max=750_000), 3_000_000) == ""
    assert implausible(request(), 3_000_000) == ""


def test_input_includes_what_was_read_from_and_written_to_the_cache():
    """Nulls count as nothing."""
    usage = {"input_tokens": 1, "output_tokens": 2, "cache_read_input_tokens": 30, "cache_creation_input_tokens": None}

    assert payload(reply(usage=usage)).usage == Usage(31, 2, 30, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"usage": None},
        {"usage": {"input_tokens": -1, "output_tokens": 1}},
        {"usage": {"input_tokens": 1.5, "output_tokens": 1}},
        {"usage": {"input_tokens": True, "output_tokens": 1}},
        {"usage": {"input_tokens": 10**30, "output_tokens": 1}},
        {"usage": {"input_tokens": "1", "output_tokens": 1}},
        {"usage": {"input_tokens": 1}},
    ],
)
def test_a_reply_without_a_bill_is_none(change):
    """Its cost is unknown: it is booked at its worst case."""
    with pytest.raises(Malformed) as caught:
        payload(reply(**change))

    assert caught.value.usage is None


@pytest.mark.parametrize(
    "change",
    [
        {"content": "hello"},
        {"content": None},
        {"content": ["hello"]},
        {"content": [{"text": "no type"}]},
        {"content": [{"type": "text", "text": 7}]},
        {"content": [{"type": "tool_use", "id": "", "name": "look", "input": {}}]},
        {"content": [{"type": "tool_use", "id": "t", "name": "look", "input": "{}"}]},
        {"content": [{"type": "tool_use", "id": "t", "name": "look", "input": {}}] * 2},
        {"stop_reason": None},
        {"stop_reason": 7},
    ],
)
def test_a_reply_that_makes_no_sense_is_none_but_its_bill_is_believed(change):
    """What can be read of its cost is booked, not the worst case."""
    with pytest.raises(Malformed) as caught:
        payload(reply(**change))

    assert caught.value.usage == Usage(10, 5)


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b"7", b"\xff{}", b'{"a": NaN}', b"[" * 100_000, b"<html>"])
def test_what_is_no_json_object_is_no_reply(raw):
    """Truncated, of another type, in another encoding, nested beyond measure."""
    with pytest.raises(Malformed):
        json_object(raw)


def test_an_unknown_stop_reason_is_an_end_of_turn_or_a_call_of_tools():
    """A new reason must not break old code."""
    tool = {"type": "tool_use", "id": "t", "name": "look", "input": {}}
    ended, called = payload(reply(stop_reason="new")), payload(reply(stop_reason="new", content=[tool]))

    assert (ended.stop_reason, called.stop_reason) == (StopReason.END_TURN, StopReason.TOOL_USE)
    assert ended.stop_reason_told == "new"


@pytest.mark.parametrize(
    "odd", ['x","gen_ai.usage.input_tokens":-5,"y":"', "a\nb", "\x1b[2J", "\u202eb", "m" * 1_000, 7, None]
)
def test_a_name_that_is_none_names_nothing(odd):
    """It would stand in spans, tables and reports: neither markup, nor control characters, nor megabytes."""
    read = payload(reply(model=odd, id=odd))
    stopped = payload(reply(stop_reason=str(odd)))

    assert (read.model, read.id) == ("", "")
    assert stopped.stop_reason is StopReason.END_TURN
    assert stopped.stop_reason_told in ("unknown", "7", "None")


def test_a_stream_adds_up_to_the_same_message():
    """Text, tool arguments in pieces, thinking with its signature, and kinds that are not known."""
    content = [
        {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
        {"type": "text", "text": "I look, in pieces."},
        {"type": "tool_use", "id": "t", "name": "look", "input": {"at": ["a", {"b": None}]}},
        {"type": "tool_use", "id": "u", "name": "look", "input": {}},
        {"type": "future", "x": 1},
    ]
    whole, assembly = reply(content=content, stop_reason="tool_use"), Assembly()
    for _, data in _events(whole):
        assembly.feed(data)

    assert assembly.done
    assert payload(assembly.message()) == payload(whole)


@pytest.mark.parametrize(
    "events",
    [
        [{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}}],
        [{"type": "message_start"}],
        [{"type": "message_start", "message": {"usage": {}}}, {"type": "content_block_start", "index": "x"}],
        [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}}],
    ],
)
def test_events_that_make_no_sense_where_they_come_are_told(events):
    """A stream is believed no more than a body."""
    assembly = Assembly()
    for event in events[:-1]:
        assembly.feed(event)

    with pytest.raises(Malformed):
        assembly.feed(events[-1])


def test_an_error_event_ends_a_stream_that_began_well():
    """With its type, which says whether to try again, and with what was said of the bill until then."""
    assembly = Assembly()
    assembly.feed({"type": "message_start", "message": reply()})

    with pytest.raises(StreamFault) as caught:
        assembly.feed({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
    assert caught.value.kind == "overloaded_error"
    assert assembly.seen_usage == Usage(10, 5)
