"""Replies that were paid for once: a model client in front of another, with a directory between them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from weakref import WeakValueDictionary

from actors.contracts import JsonValue, Usage
from actors.models.base import (
    Block,
    ModelClient,
    ModelReply,
    ModelRequest,
    Opaque,
    StopReason,
    Text,
    ToolResult,
    ToolUse,
    close,
    tell_sharers,
)
from actors.models.store import Store, key_of

# Only replies that came to their own end are worth repeating.
KEPT = frozenset({StopReason.END_TURN, StopReason.TOOL_USE, StopReason.STOP_SEQUENCE})


@dataclass(slots=True)
class CacheCount:
    """What a cache did. `saved_tokens` is what the hits cost when they were made."""

    hits: int = 0
    misses: int = 0
    saved_tokens: int = 0


class CachedModel:
    """A `ModelClient` that asks `inner` only what nobody asked before. `scope` names the provider and its address.

    A hit has no usage, as nobody bills it; `saved` says what it once cost, and the attributes that it was a hit. Two
    equal requests at once go out as one. `count` is what this host's part of the cache did.
    """

    def __init__(self, inner: ModelClient, store: Store, *, scope: str) -> None:
        self.count = CacheCount()
        self._inner = inner
        self._store = store
        self._scope = scope
        self._under_way: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # kept by those who use them

    async def reply(self, request: ModelRequest) -> ModelReply:
        key = request_key(self._scope, request)
        alone = self._under_way.setdefault(key, asyncio.Lock())
        async with alone:
            known = reply_of(await asyncio.to_thread(self._store.get, key))
            # The clamp is no part of the key: it cuts a reply short, and a reply that was not cut fits any wider clamp.
            if known is not None and known.saved.output_tokens <= request.output_tokens_max:
                self.count.hits += 1
                self.count.saved_tokens += known.saved.total_tokens
                return known
            self.count.misses += 1
            reply = await self._inner.reply(request)
            if reply.stop_reason in KEPT and not reply.called:  # what a fallback says is no answer of this model
                await asyncio.to_thread(self._store.put, key, reply_json(reply))
            return reply

    def shared_by(self, processes: int) -> None:
        tell_sharers(self._inner, processes)

    async def aclose(self) -> None:
        await close(self._inner)


def request_key(scope: str, request: ModelRequest) -> str:
    """The key over everything that decides what a model answers; not whose call it is, or what it may cost."""
    return key_of(
        "reply",
        scope,
        request.model,
        request.system,
        [[tool.name, tool.description, cast(JsonValue, dict(tool.parameters))] for tool in request.tools],
        [[message.role, [block_json(block) for block in message.blocks]] for message in request.messages],
        None if request.output_schema is None else cast(JsonValue, dict(request.output_schema)),
        request.effort,
        request.final,
    )


def reply_json(reply: ModelReply) -> JsonValue:
    usage = reply.usage
    return {
        "blocks": [block_json(block) for block in reply.blocks],
        "usage": [usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens],
        "model": reply.model,
        "stop_reason": reply.stop_reason.value,
    }


def reply_of(value: JsonValue) -> ModelReply | None:
    """The reply that `reply_json` wrote; None for anything else."""
    try:
        raw = cast(Mapping[str, Any], value)
        usage = Usage(*(int(count) for count in raw["usage"]))
        return ModelReply(
            blocks=tuple(_block_of(block) for block in raw["blocks"]),
            usage=Usage(),
            saved=usage,
            model=str(raw["model"]),
            stop_reason=StopReason(raw["stop_reason"]),
            attributes={"muster.cache": "hit", "muster.cache.saved_tokens": usage.total_tokens},
        )
    except (TypeError, KeyError, ValueError):
        return None


def block_json(block: Block) -> JsonValue:
    match block:
        case Text(text):
            return {"text": text}
        case ToolUse(id, name, arguments):
            return {"tool_use": [id, name, dict(arguments)]}
        case ToolResult(tool_use_id, content, is_error):
            return {"tool_result": [tool_use_id, content, is_error]}
        case Opaque(raw):
            return {"opaque": dict(raw)}


def _block_of(raw: Mapping[str, Any]) -> Block:
    ((kind, value),) = raw.items()
    match kind:
        case "text":
            return Text(str(value))
        case "tool_use":
            return ToolUse(*value)
        case "tool_result":
            return ToolResult(*value)
        case "opaque":
            return Opaque(dict(value))
    raise ValueError(kind)
