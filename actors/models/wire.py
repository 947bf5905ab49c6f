"""The Messages API's JSON: a request as a body, a body as a reply. Pure; nothing from outside is believed unchecked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isinf
from typing import Any, NoReturn, cast

from actors.contracts import JsonValue, Usage
from actors.models.base import (
    REQUEST_OVERHEAD_TOKENS,
    Block,
    Message,
    ModelRequest,
    Opaque,
    StopReason,
    Text,
    ToolResult,
    ToolUse,
)

TOKENS_MAX = 10**9  # a count above this is no count
LABEL_CHARACTERS_MAX = 200  # of what names something: a model, a reply, a reason, a tool. The API's own have 128.
HISTORY_CACHED_FROM = 5  # messages: the third turn. A cache write costs a quarter more and pays when it is read again.
_FOR_AN_HOUR = "ephemeral_1h_input_tokens"
# A conversation may have so many bytes, and so many for each of its tokens: text has three to five.
PLAUSIBLE_BYTES, PLAUSIBLE_BYTES_PER_TOKEN = 256 * 1024, 16


class Malformed(Exception):
    """A reply that is none. `usage` when at least the bill could be read."""

    def __init__(self, message: str, usage: Usage | None = None) -> None:
        super().__init__(message)
        self.usage = usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """A reply's body, checked."""

    id: str
    model: str
    blocks: tuple[Block, ...]
    usage: Usage
    stop_reason: StopReason
    stop_reason_told: str


def request_body(request: ModelRequest, model: str, *, stream: bool, cache_ttl: str | None) -> bytes:
    """The body of POST /v1/messages. What all sessions of a specialist share comes first and is marked for the cache.

    `cache_ttl` is "5m" or "1h"; None: no marks.
    """
    mark: dict[str, JsonValue] | None = None
    if cache_ttl is not None:
        mark = {"type": "ephemeral"} if cache_ttl == "5m" else {"type": "ephemeral", "ttl": cache_ttl}
    body: dict[str, Any] = {"model": model, "max_tokens": request.output_tokens_max}
    if request.tools:
        body["tools"] = [
            {"name": tool.name, "description": tool.description, "input_schema": dict(tool.parameters)}
            for tool in request.tools
        ]
        if request.final:
            body["tool_choice"] = {"type": "none"}
    if request.system:
        body["system"] = [{"type": "text", "text": request.system}]
    body["messages"] = [wired for wired in map(wire_message, request.messages) if wired["content"]]
    if mark is not None:
        _mark(body, mark, len(request.messages))
    output = _output_config(request)
    if output:
        body["output_config"] = output
    if stream:
        body["stream"] = True
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def worst_tokens(request: ModelRequest, body_bytes: int) -> int:
    """What one attempt may be billed at most: every byte a token, the hidden prompt, and all of the output."""
    hidden = REQUEST_OVERHEAD_TOKENS if request.tools or request.output_schema else 0
    bound = body_bytes + hidden
    known = request.input_tokens_max
    return (bound if known is None else min(bound, known)) + request.output_tokens_max


def implausible(request: ModelRequest, body_bytes: int) -> str:
    """Why a conversation must cost far more than its caller reckons; "" where it need not.

    The caller's bound rests on what the provider counted before: one that sends megabytes and counts a few tokens is
    not to be believed, as it may count the next time.
    """
    known = request.input_tokens_max
    if known is None or body_bytes <= PLAUSIBLE_BYTES + PLAUSIBLE_BYTES_PER_TOKEN * known:
        return ""
    return f"the conversation has {body_bytes:,} bytes, and its provider has counted {known:,} tokens at most: not sent"


def _mark(body: dict[str, Any], mark: dict[str, JsonValue], messages: int) -> None:
    """Tools come before the system prompt, so a mark on the system prompt covers both."""
    shared = body.get("system") or body.get("tools")
    if shared:
        shared[-1]["cache_control"] = mark
    if messages >= HISTORY_CACHED_FROM:
        last = body["messages"][-1]["content"][-1]
        if last["type"] in ("text", "tool_result"):
            last["cache_control"] = mark


def _output_config(request: ModelRequest) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if request.effort is not None:
        config["effort"] = request.effort
    if request.output_schema is not None:
        config["format"] = {"type": "json_schema", "schema": dict(request.output_schema)}
    return config


def wire_message(message: Message) -> dict[str, Any]:
    """A message as the API takes it."""
    return {"role": message.role, "content": list(_wire_blocks(message.blocks))}


def _wire_blocks(blocks: tuple[Block, ...]) -> Iterator[dict[str, Any]]:
    """Blocks as the API takes them; it refuses text without a character in it, so that is left out."""
    for block in blocks:
        match block:
            case Text(text):
                if text.strip():
                    yield {"type": "text", "text": text}
            case ToolUse(id, name, arguments):
                yield {"type": "tool_use", "id": id, "name": name, "input": dict(arguments)}
            case ToolResult(tool_use_id, content, is_error):
                result = {"type": "tool_result", "tool_use_id": tool_use_id, "content": content}
                yield {**result, "is_error": True} if is_error else result
            case Opaque(raw):
                yield dict(raw)


def json_object(body: bytes) -> dict[str, Any]:
    """`body` as a JSON object; a byte order mark before it is dropped. Raises Malformed for anything else."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Malformed(f"the reply is not UTF-8 ({len(body)} bytes, the first wrong one at {error.start})") from None
    value = json_value(text)
    if not isinstance(value, dict):
        raise Malformed(f"the reply is a JSON {type(value).__name__}, not an object")
    return cast(dict[str, Any], value)


def json_value(text: str) -> Any:
    """`text` as JSON that can be written again: no NaN, no infinity, no half surrogate pairs. Raises Malformed."""
    try:
        value = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"the reply is not JSON ({len(text)} characters): {_short(error)}") from None
    return _without_surrogates(value) if "\\ud" in text or "\\uD" in text else value


def payload(message: Mapping[str, Any]) -> Payload:
    """A message object, checked. Raises Malformed, with the usage when that could be read."""
    usage = usage_of(message.get("usage"))
    try:
        blocks = _blocks(message.get("content"))
        told = message.get("stop_reason")
        if not isinstance(told, str):
            raise Malformed(f"stop_reason is {_short(told)}, not a string")
    except Malformed as wrong:
        raise Malformed(str(wrong), usage) from None
    return Payload(
        id=label(message.get("id")),
        model=label(message.get("model")),
        blocks=blocks,
        usage=usage,
        stop_reason=_stop_reason(told, blocks),
        stop_reason_told=label(told) or "unknown",
    )


def label(value: Any) -> str:
    """`value` where it can name something in spans, tables and reports; "" for anything else."""
    fits = isinstance(value, str) and len(value) <= LABEL_CHARACTERS_MAX and value.isprintable()
    return value if fits and not {'"', "\\"} & set(value) else ""


def usage_of(raw: Any) -> Usage:
    """The provider's count; input includes what was read from and written to its cache. Raises Malformed."""
    if not isinstance(raw, dict):
        raise Malformed(f"usage is {_short(raw)}, not an object")
    read, written = _count(raw, "cache_read_input_tokens"), _written(raw)
    by_time = raw.get("cache_creation")
    return Usage(
        input_tokens=_count(raw, "input_tokens", required=True) + read + written,
        output_tokens=_count(raw, "output_tokens", required=True),
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=min(written, _count(by_time, _FOR_AN_HOUR)) if isinstance(by_time, dict) else 0,
    )


def _written(raw: Mapping[str, Any]) -> int:
    """Cache writes: as one count, or by how long they are kept."""
    by_time = raw.get("cache_creation")
    if raw.get("cache_creation_input_tokens") is None and isinstance(by_time, dict):
        return sum(_count(by_time, name) for name in by_time)
    return _count(raw, "cache_creation_input_tokens")


def _count(raw: Mapping[str, Any], name: str, *, required: bool = False) -> int:
    value = raw.get(name)
    if value is None and not required:
        return 0
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= TOKENS_MAX:
        raise Malformed(f"usage.{name} is {_short(value)}, not a count of tokens")
    return value


def _blocks(raw: Any) -> tuple[Block, ...]:
    if not isinstance(raw, list):
        raise Malformed(f"content is {_short(raw)}, not a list")
    blocks = tuple(_block(item) for item in raw)
    ids = [block.id for block in blocks if isinstance(block, ToolUse)]
    if len(set(ids)) < len(ids):
        raise Malformed("two tool calls of one reply have the same id")
    return blocks


def _block(raw: Any) -> Block:
    kind = raw.get("type") if isinstance(raw, dict) else None
    if not isinstance(kind, str):
        raise Malformed(f"a content block is {_short(raw)}, not an object with a type")
    if kind == "text":
        if not isinstance(raw.get("text"), str):
            raise Malformed(f"a text block holds {_short(raw.get('text'))}, not text")
        # Text with citations or other extras is handed back as it came only by its text: no later turn needs more.
        return Text(raw["text"])
    if kind == "tool_use":
        identity, name, arguments = raw.get("id"), raw.get("name"), raw.get("input")
        if not (isinstance(identity, str) and identity and isinstance(name, str) and isinstance(arguments, dict)):
            raise Malformed(f"a tool call without id, name or input: {_short(raw)}")
        return ToolUse(identity, name[:LABEL_CHARACTERS_MAX], arguments)
    return Opaque(raw)


def _stop_reason(told: str, blocks: tuple[Block, ...]) -> StopReason:
    """A reason that is not known yet counts as an ordinary end, of a turn or for tools."""
    try:
        return StopReason(told)
    except ValueError:
        return StopReason.TOOL_USE if any(isinstance(block, ToolUse) for block in blocks) else StopReason.END_TURN


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name[:20]} is no JSON number")


def _finite(number: str) -> float:
    value = float(number)
    if isinf(value):
        _no_constant(number)
    return value


def _without_surrogates(value: Any) -> Any:
    """Half of a surrogate pair is no text: it could be written to no file and sent to no server."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(name): _without_surrogates(item) for name, item in value.items()}
    return value


def _short(value: Any) -> str:
    text = str(value) if isinstance(value, Exception) else repr(value)
    return text if len(text) <= 120 else f"{text[:120]}…"
