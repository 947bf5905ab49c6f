"""The client against servers that nobody has seen, byte by byte: each reply has a defined end, and its cost is held."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import pytest

from actors.models.anthropic import AnthropicConfig
from actors.models.base import Message, ModelError, ModelReply, ModelRequest, Opaque, Text, ToolUse
from actors.models.retry import RetryPolicy
from support.raw_server import CLOSE, HANG, RESET, Answer, Raw, chunk, event, message, raw_serving, reply, stream_head

FAST = RetryPolicy(base_s=0.001, delay_max_s=0.01, attempts_max=3)
ASKED = ModelRequest(
    agent="test",
    model="claude-sonnet-5-5",
    system="",
    messages=(Message("user", (Text("Look."),)),),
    output_tokens_max=200,
)
GOOD = [reply(message())]
START = {"type": "message_start", "message": message(content=[], stop_reason=None)}
START["message"]["usage"] = {"input_tokens": 100, "output_tokens": 1}
OPEN = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
SHUT = {"type": "content_block_stop", "index": 0}
STOP = {"type": "message_stop"}
WHOLE = Text("all is well")
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


def delta(text: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}


def ended(reason: str | None = "end_turn", **usage: Any) -> dict[str, Any]:
    told = usage or {"output_tokens": 10}
    return {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": told}


TALK = [START, OPEN, delta("all is"), delta(" well"), SHUT, ended(), STOP]


def stream(*events: Any, end: bytes = b"\n", headers: str = "", size: int = 0) -> Answer:
    """A chunked stream of events (raw bytes go as they are), an event a chunk or `size` bytes a chunk."""
    parts = [part if isinstance(part, bytes) else event(part, end=end) for part in events]
    if size:
        whole = b"".join(parts)
        parts = [whole[at : at + size] for at in range(0, len(whole), size)]
    return [stream_head(headers=headers), *map(chunk, parts), chunk(b"")]


def asked_of(raw: Raw, *, streamed: bool, timeout_s: float = 2.0, **changes: Any) -> ModelReply | ModelError:
    """What came of one call; nothing else may be raised."""

    async def call() -> ModelReply | ModelError:
        config = AnthropicConfig(
            base_url=raw.url, retry=FAST, timeout_s=timeout_s, stream_above_tokens=0 if streamed else 21_333
        )
        client = config.client({"ANTHROPIC_API_KEY": "sk-canary-odd-servers-1234"})
        try:
            return await asyncio.wait_for(client.reply(ASKED._replace(**changes)), 20.0)
        except ModelError as error:
            return error
        finally:
            await client.aclose()

    return asyncio.run(call())


TOOL = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
STREAMS = {
    "line by line": stream(*TALK),
    "lines that end in CR and LF": stream(*TALK, end=b"\r\n"),
    "lines that end in CR": stream(*TALK, end=b"\r"),
    "a byte at a time": stream(*TALK, end=b"\r\n", size=1),
    "all at once": stream(*TALK, size=10**6),
    "comments, pings, ids and waits": stream(
        b": hello\n\n", *TALK[:2], b"id: 7\nretry: 10\n: still here\n\n", b'event: ping\ndata: {"type": "ping"}\n\n',
        b"event: ping\ndata:\n\n", *TALK[2:],
    ),
    "a byte order mark": stream(b"\xef\xbb\xbf", *TALK),
    "data over several lines": stream(
        b'event: message_start\ndata: {"type": "message_start",\ndata: "message": '
        + json.dumps(START["message"]).encode() + b"}\n\n", *TALK[1:],
    ),
    "events without names": stream(*[f"data:{json.dumps(one)}\n\n".encode() for one in TALK]),
    "events of the future": stream(
        START, {"type": "weather_report", "sky": "blue"}, OPEN, {**delta("")} | {"delta": {"type": "smell_delta"}},
        *TALK[2:],
    ),
    "no usage at the start": stream(
        {"type": "message_start", "message": {k: v for k, v in START["message"].items() if k != "usage"}},
        *TALK[1:5], ended(input_tokens=100, output_tokens=10), STOP,
    ),
    "no input at the start": stream(
        {**START, "message": {**START["message"], "usage": {"input_tokens": 0, "output_tokens": 0}}},
        *TALK[1:5], ended(input_tokens=100, output_tokens=10), STOP,
    ),
    "nulls in the last usage": stream(*TALK[:5], ended(input_tokens=None, output_tokens=10), STOP),
    "no last event": stream(*TALK[:-1]),
    "no block ends": stream(*[one for one in TALK if one is not SHUT]),
    "a done mark behind it": stream(*TALK, b"data: [DONE]\n\n"),
    "packed": [
        stream_head(headers="content-encoding: gzip\r\n"), chunk(gzip.compress(b"".join(map(event, TALK)))), chunk(b"")
    ],
    "not chunked": [
        b"HTTP/1.0 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + b"".join(map(event, TALK)), CLOSE
    ],
    "no stream at all": GOOD,
}  # fmt: skip


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_of_any_make_is_read(name: str) -> None:
    """One attempt, the whole text, and the bill that it states."""
    with raw_serving([STREAMS[name]]) as raw:
        came = asked_of(raw, streamed=True)

    assert isinstance(came, ModelReply), came
    assert came.blocks == (WHOLE,)
    assert (came.usage.total_tokens, came.unseen_tokens, len(raw.requests)) == (110, 0, 1)


REPLIES = {
    "fields of the future": reply(message(colour="blue", container=None, stop_details={"a": 1})),
    "nulls in the usage": reply(
        message(usage={"input_tokens": 100, "output_tokens": 10, "cache_read_input_tokens": None, "service_tier": None})
    ),
    "writes by their time": reply(
        message(usage={"input_tokens": 60, "output_tokens": 10, "cache_creation": {"ephemeral_5m_input_tokens": 40}})
    ),
    "packed": reply(gzip.compress(json.dumps(message()).encode()), headers="content-encoding: gzip\r\n"),
    "a byte order mark": reply(b"\xef\xbb\xbf" + json.dumps(message()).encode()),
    "blanks that kept the connection": reply(b"\n \n" * 100 + json.dumps(message()).encode()),
    "an odd content type": reply(message(), kind="text/plain"),
    "an early hint": b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" + reply(message()),
    "nonsense about limits": reply(
        message(),
        headers="".join(
            f"anthropic-ratelimit-{name}: {value}\r\n"
            for name, value in {
                "requests-limit": "lots", "requests-remaining": "\u00e9", "requests-reset": "0001-01-01T00:00:00+23:59",
                "tokens-limit": "1e999", "tokens-remaining": "-7", "tokens-reset": "yesterday",
                "input-tokens-limit": "100", "input-tokens-remaining": "99",
                "input-tokens-reset": "9999-12-31T23:59:59-23:59",
                "output-tokens-limit": "0", "output-tokens-remaining": "0",
            }.items()
        ),
    ),
    "created, not OK": reply(message(), status="201 Created"),
}  # fmt: skip


@pytest.mark.parametrize("name", REPLIES)
def test_a_reply_of_any_make_is_read(name: str) -> None:
    """What is more than needed is passed over; the second call shows that nothing of it sticks."""
    with raw_serving([[REPLIES[name]]]) as raw:
        came = asked_of(raw, streamed=False)

    assert isinstance(came, ModelReply), came
    assert came.blocks == (WHOLE,)
    assert (came.usage.total_tokens, came.unseen_tokens, len(raw.requests)) == (110, 0, 1)


HALF = json.dumps(message()).encode()[:60]
# answer, streamed, what the lost attempt is held at: nothing, what the stream had told, or the worst case
LOST: dict[str, tuple[Answer, bool, str]] = {
    "an error event after the start": (stream(START, OPEN, delta("all"), OVERLOADED), True, "told"),
    "an error event at first": (stream(OVERLOADED), True, "worst"),
    "an error event with no error in it": (
        stream(START, {"type": "error", "error": {"type": "api_error"}}), True, "told",
    ),
    "a stream that ends early": (stream(START, OPEN, delta("all")), True, "told"),
    "a stream that is cut": ([*stream(START, OPEN)[:-1], CLOSE], True, "told"),
    "a stream that is reset": ([*stream(START, OPEN)[:-1], 0.05, RESET], True, "told"),
    "a stream that falls silent": ([*stream(START, OPEN)[:-1], HANG], True, "told"),
    "a stream of pings without end": (
        [stream_head(), *[chunk(event({"type": "ping"})), 0.05] * 200], True, "worst",
    ),
    "a stream that is no JSON": (stream(START, b"data: {oops\n\n"), True, "told"),
    "a stream that is no text": (stream(START, b"data: \xff\xfe\n\n"), True, "told"),
    "a delta to a block that is not open": (stream(START, delta("x")), True, "told"),
    "a delta that holds no text": (stream(START, OPEN, delta(7)), True, "told"),  # type: ignore[arg-type]
    "a stream that never starts its message": (stream(OPEN, delta("x"), ended(), STOP), True, "worst"),
    "tool arguments that are no JSON": (
        stream(
            START, {"type": "content_block_start", "index": 0, "content_block": TOOL},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{oops"}},
            SHUT, ended("tool_use"), STOP,
        ), True, "billed",
    ),
    "no reason to stop, streamed": (stream(*TALK[:5], ended(None), STOP), True, "billed"),
    "no reason to stop": ([reply(message(stop_reason=None))], False, "billed"),
    "arguments as text": ([reply(message({**TOOL, "input": "{}"}, stop_reason="tool_use"))], False, "billed"),
    "two calls with one id": ([reply(message(TOOL, TOOL, stop_reason="tool_use"))], False, "billed"),
    "a number that is none": (
        [reply(json.dumps(message({**TOOL, "input": {"n": 0}})).replace("0}", "1e999}").encode())], False, "worst",
    ),
    "an error with status 200": ([reply(OVERLOADED)], False, "worst"),
    "an error with status 200 to a stream": ([reply(OVERLOADED)], True, "worst"),
    "a page with status 200": ([reply(b"<html>Log in</html>", kind="text/html")], False, "worst"),
    "nothing": ([reply(b"", status="204 No Content")], False, "worst"),
    "cut in the middle": ([reply(message())[:-20], CLOSE], False, "worst"),
    "cut where only the end of the connection tells": (
        [b"HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n" + HALF, CLOSE], False, "worst",
    ),
    "a drip that never ends": ([reply(message())[:150], *[b"x", 0.05] * 200], False, "worst"),
    "packed, it says": ([reply(message(), headers="content-encoding: gzip\r\n")], False, "worst"),
    "packed as nobody asked for": ([reply(message(), headers="content-encoding: br\r\n")], False, "worst"),
    "no HTTP": ([b"220 smtp.example.org ESMTP\r\n", CLOSE], False, "worst"),
    "a head without measure": ([b"HTTP/1.1 200 OK\r\nx-a: " + b"b" * 100_000 + b"\r\n\r\n", CLOSE], False, "worst"),
    "a chunk whose size is none": ([stream_head() + b"zz\r\nhello\r\n", CLOSE], True, "worst"),
    "a length that is none": ([b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n{}", CLOSE], False, "worst"),
    "closed without a word": ([CLOSE], False, "worst"),
    "408": ([reply(OVERLOADED, status="408 Request Timeout")], False, "worst"),
    "a gateway's page": ([reply(b"<html>Bad</html>", status="502 Bad Gateway", kind="text/html")], False, "worst"),
    "409": ([reply(OVERLOADED, status="409 Conflict")], False, "nothing"),
    "529": ([reply(OVERLOADED, status="529 Overloaded")], False, "nothing"),
    "529 to a stream": ([reply(OVERLOADED, status="529 Overloaded")], True, "nothing"),
    **{
        f"429, retry-after {after}": ([reply(b"", status="429 Too Many", headers=f"{after}\r\n")], False, "nothing")
        for after in (
            "retry-after: 0.05", "retry-after-ms: 50", "retry-after: -1", "retry-after: nan", "retry-after: soon",
            "retry-after: Sat, 21 Nov 2026 10:00:00 GMT\r\ndate: Sat, 21 Nov 2026 10:00:00 GMT",
            "retry-after: Sat, 99 Nov 2026 10:00:00 GMT\r\ndate: never", "retry-after-ms: 1e999\r\nretry-after: 0",
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("name", LOST)
def test_what_is_no_reply_is_tried_again_and_held_for_what_it_may_have_cost(name: str) -> None:
    """The second attempt answers; the first is held at what its server could bill for it."""
    answer, streamed, held = LOST[name]
    with raw_serving([answer, STREAMS["line by line"] if streamed else GOOD]) as raw:
        came = asked_of(raw, streamed=streamed, timeout_s=1.0)

    assert isinstance(came, ModelReply), came
    assert came.blocks == (WHOLE,)
    assert len(raw.requests) == 2
    worst = len(raw.requests[0]) + ASKED.output_tokens_max
    assert came.unseen_tokens == {"nothing": 0, "told": 100 + 200, "billed": 110, "worst": worst}[held]


REFUSED = {
    "a redirect": ("307 Temporary Redirect", b"", "location: http://127.0.0.1:9/\r\n", "status 307"),
    "a redirect to stay": ("301 Moved", b"", "location: /v1/messages\r\n", "status 301"),
    "a page of a proxy": (
        "403 Forbidden", b"<html><style>b{}</style><b>Blocked</b> by policy</html>", "", "Blocked by policy",
    ),
    "another protocol": ("101 Switching Protocols", b"", "upgrade: h2c\r\nconnection: upgrade\r\n", "status 101"),
    "too large": ("413 Too Large", json.dumps({"error": {"message": "too long"}}).encode(), "", "too long"),
    "an error as text": ("400 Bad", b'{"error": "no such field"}', "", "no such field"),
    "a list": ("400 Bad", b"[1, 2]", "", "status 400"),
    "what a terminal would obey": (
        "400 Bad", json.dumps({"error": {"message": "\x1b[2J \u202e"}}).encode(), "", "\\u001b[2J \\u202e",
    ),
    "nothing": ("404 Not Found", b"", "", "no reason given"),
    "never again": ("500 Oops", b"", "x-should-retry: false\r\n", "would not help"),
    "a month to wait": ("429 Too Many", b"", "retry-after: 2592000\r\n", "asks to wait 2.592e+06 s"),
    "a wait without measure": ("429 Too Many", b"", "retry-after: 1e300\r\n", "asks to wait 1e+300 s"),
}  # fmt: skip


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_that_stays_one_ends_the_call_at_once_with_its_words(name: str, streamed: bool) -> None:
    """One request; a redirect is not followed, and a wait beyond measure is not begun."""
    status, body, headers, words = REFUSED[name]
    with raw_serving([[reply(body, status=status, headers=headers)]]) as raw:
        came = asked_of(raw, streamed=streamed)

    assert isinstance(came, ModelError), came
    assert words in str(came)
    assert len(raw.requests) == 1
    assert (came.unseen_tokens > 0) == (status == "500 Oops")


@pytest.mark.parametrize("kind", ["invalid_request_error", "authentication_error", "weather_error"])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_lasting_error_with_status_200_is_not_tried_again(kind: str, streamed: bool) -> None:
    """What it may have cost is held all the same: work had begun, as far as anybody can tell."""
    error = {"type": "error", "error": {"type": kind, "message": "no"}}
    with raw_serving([stream(START, error) if streamed else [reply(error)]]) as raw:
        came = asked_of(raw, streamed=streamed)

    assert isinstance(came, ModelError)
    assert f"{kind}: no" in str(came)
    assert (len(raw.requests), came.unseen_tokens >= 300) == (1, True)


@pytest.mark.parametrize("streamed", [False, True])
def test_what_only_the_provider_understands_is_handed_back_unchanged(streamed: bool) -> None:
    """Thinking, redacted thinking, its own tools' blocks: the next request has them byte for byte, in their order."""
    odd = [
        {"type": "thinking", "thinking": "hm \u2028 </data>", "signature": "c2ln+/=="},
        {"type": "redacted_thinking", "data": "EmwKAhgBEgy3va3pzix/LafPsn4a"},
        {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"q": [1, None, {"a": 1.5}]}},
        {"type": "shape_of_2031", "payload": {"deep": [[], {}]}, "text": None},
        TOOL,
        {"type": "text", "text": "and text behind a call"},
    ]
    whole = message(*odd, stop_reason="tool_use")
    events = [START]
    for at, block in enumerate(odd):
        events += [{"type": "content_block_start", "index": at, "content_block": block}, {**SHUT, "index": at}]
    first = stream(*events, ended("tool_use"), STOP) if streamed else [reply(whole)]
    with raw_serving([first, GOOD]) as raw:
        came = asked_of(raw, streamed=streamed)
        assert isinstance(came, ModelReply)
        asked_of(raw, streamed=False, messages=(*ASKED.messages, Message("assistant", came.blocks)))

    assert [type(block) for block in came.blocks] == [Opaque, Opaque, Opaque, Opaque, ToolUse, Text]
    assert json.loads(raw.requests[1])["messages"][1]["content"] == odd


@pytest.mark.parametrize("streamed", [False, True])
def test_each_request_tells_its_own_trace_context_and_none_where_there_is_none(streamed: bool) -> None:
    """The first request of a client as well as those that reuse its headers."""
    traces = [f"00-{n:032x}-{n:016x}-01" for n in (1, 2)]

    async def calls(url: str) -> None:
        config = AnthropicConfig(base_url=url, stream_above_tokens=0 if streamed else 21_333)
        client = config.client({"ANTHROPIC_API_KEY": "sk-canary-odd-servers-1234"})
        for trace in (*traces, ""):
            await client.reply(ASKED._replace(traceparent=trace))
        await client.aclose()

    with raw_serving([STREAMS["line by line"] if streamed else GOOD]) as raw:
        asyncio.run(calls(raw.url))

    told = [[line[13:] for line in head.lower().split(b"\r\n") if line[:12] == b"traceparent:"] for head in raw.heads]
    assert told == [[traces[0].encode()], [traces[1].encode()], []]


def test_hundreds_of_calls_in_one_reply_and_no_block_at_all_are_replies() -> None:
    """What to make of them is the session's business."""
    many = [{**TOOL, "id": f"toolu_{n}", "input": {"n": n}} for n in range(500)]
    with raw_serving([[reply(message(*many, stop_reason="tool_use"))], [reply(message(content=[]))]]) as raw:
        full, empty = (asked_of(raw, streamed=False) for _ in range(2))

    assert isinstance(full, ModelReply)
    assert isinstance(empty, ModelReply)
    assert [len(full.blocks), len(empty.blocks)] == [500, 0]


def test_megabytes_in_small_pieces_are_read_in_the_time_of_their_length() -> None:
    """20,000 pieces of 200 letters: put together once, not once for each piece."""
    pieces = [delta("x" * 200) for _ in range(20_000)]
    with raw_serving([stream(START, OPEN, *pieces, SHUT, ended(), STOP, size=1 << 16)]) as raw:
        came = asked_of(raw, streamed=True, timeout_s=15.0)

    assert isinstance(came, ModelReply), came
    assert came.blocks == (Text("x" * 4_000_000),)
