"""The cache of replies and tool results: what is a hit, what is not, and what breaks without harm."""

from __future__ import annotations

import asyncio
import gc
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from actors.contracts import Usage
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
)
from actors.models.cache import CacheCount, CachedModel
from actors.models.scripted import ScriptedModel
from actors.models.store import Store
from actors.prompts import data
from actors.tools.base import Effect, tool
from actors.tools.cached import CachedTools
from budget.errors import SettingsError
from support.canaries import held, texts_of

BLOCKS = (Opaque({"type": "thinking", "signature": "x"}), Text("I look."), ToolUse("t1", "look", {"at": "here"}))


class Counting:
    """A model that counts its calls and takes a moment for each."""

    def __init__(self, stop_reason: StopReason = StopReason.TOOL_USE) -> None:
        self.calls = 0
        self._stop_reason = stop_reason

    async def reply(self, request: ModelRequest) -> ModelReply:
        self.calls += 1
        await asyncio.sleep(0.01)
        return ModelReply(blocks=BLOCKS, usage=Usage(90, 10), model=request.model, stop_reason=self._stop_reason)


def request(**changes: Any) -> ModelRequest:
    asked: dict[str, Any] = {
        "agent": "a",
        "model": "m",
        "system": "s",
        "messages": (Message("user", (Text("q"), ToolResult("t0", "r"))),),
        "tools": (ToolSpec("look", "Looks.", {"type": "object"}),),
        **changes,
    }
    return ModelRequest(**asked)


def cached(directory: Path, inner: Counting, scope: str = "here") -> CachedModel:
    return CachedModel(inner, Store(directory), scope=scope)


def test_the_second_call_is_a_hit_also_for_another_process(tmp_path):
    """The same blocks, no usage, and what it saved; the counts are for the report."""
    first, inner = Counting(), Counting()
    paid = asyncio.run(cached(tmp_path, first).reply(request()))
    other = cached(tmp_path, inner)
    hit = asyncio.run(other.reply(request(agent="b", run_id="r", tokens_left=5, input_tokens_max=7)))

    assert (first.calls, inner.calls) == (1, 0)
    assert (hit.blocks, hit.stop_reason, hit.model) == (paid.blocks, paid.stop_reason, paid.model)
    assert (hit.usage, hit.saved) == (Usage(), Usage(90, 10))
    assert other.count == CacheCount(hits=1, misses=0, saved_tokens=100)


@pytest.mark.parametrize(
    "change",
    [
        {"model": "n"},
        {"system": "t"},
        {"messages": (Message("user", (Text("q2"),)),)},
        {"messages": (Message("user", (Text("q"), ToolResult("t0", "r", True))),)},
        {"tools": ()},
        {"tools": (ToolSpec("look", "Looks better.", {"type": "object"}),)},
        {"output_schema": {"type": "object"}},
        {"effort": "high"},
        {"final": True},
        {"output_tokens_max": 9},
    ],
)
def test_whatever_decides_a_reply_is_in_the_key(tmp_path, change):
    """A clamp below what the kept reply took is a miss too: it would have been cut."""
    inner = Counting()
    model = cached(tmp_path, inner)
    asyncio.run(model.reply(request()))
    asyncio.run(model.reply(request(**change)))

    assert (inner.calls, model.count.hits) == (2, 0)


def test_another_provider_is_another_scope(tmp_path):
    """The same model name at two addresses is not the same model."""
    inner = Counting()
    for scope in ("here", "there"):
        asyncio.run(cached(tmp_path, inner, scope).reply(request()))

    assert inner.calls == 2


def test_equal_calls_at_once_go_out_as_one(tmp_path):
    """A hundred sessions that ask the same pay once."""
    inner = Counting()
    model = cached(tmp_path, inner)

    async def all_at_once() -> list[ModelReply]:
        return await asyncio.gather(*(model.reply(request()) for _ in range(100)))

    replies = asyncio.run(all_at_once())

    assert (inner.calls, model.count.hits) == (1, 99)
    assert {reply.blocks[1] for reply in replies} == {Text("I look.")}


def test_a_request_that_failed_leaves_nothing_behind(tmp_path):
    """A provider that is down all night must not fill a host's memory."""

    async def down(_: ModelRequest) -> ModelReply:
        raise ModelError("down")

    model = CachedModel(ScriptedModel(down), Store(tmp_path), scope="here")

    async def ask(calls: int) -> set[type]:
        asked = [model.reply(request(system=str(n))) for n in range(calls)]
        return {type(one) for one in await asyncio.gather(*asked, return_exceptions=True)}

    def locks() -> int:
        gc.collect()
        return sum(isinstance(one, asyncio.Lock) for one in gc.get_objects())

    before = locks()

    assert asyncio.run(ask(100)) == {ModelError}
    assert locks() == before


@pytest.mark.parametrize("reason", [StopReason.MAX_TOKENS, StopReason.REFUSAL, StopReason.PAUSE_TURN])
def test_what_did_not_come_to_its_end_is_not_kept(tmp_path, reason):
    """A refusal of today may be an answer tomorrow."""
    inner = Counting(reason)
    for _ in range(2):
        asyncio.run(cached(tmp_path, inner).reply(request()))

    assert inner.calls == 2


@pytest.mark.parametrize("damage", [b"", b"{", b"0" * 64 + b"\n{}", "cut", "flip"])
def test_a_broken_entry_is_asked_anew_and_mended(tmp_path, damage):
    """Cut off, flipped, emptied, forged: never an answer, never an error."""
    inner = Counting()
    asyncio.run(cached(tmp_path, inner).reply(request()))
    (entry,) = tmp_path.rglob("*.json")
    whole = entry.read_bytes()
    broken = {"cut": whole[:-5], "flip": whole.replace(b"look", b"cook")}
    entry.write_bytes(broken[damage] if isinstance(damage, str) else damage)
    asyncio.run(cached(tmp_path, inner).reply(request()))
    asyncio.run(cached(tmp_path, inner).reply(request()))

    assert inner.calls == 2
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == [entry.name]


def test_a_directory_that_cannot_be_is_the_callers_mistake(tmp_path):
    """Said before anything is spent."""
    (tmp_path / "file").write_text("")

    with pytest.raises(SettingsError, match="cannot be made"):
        Store(tmp_path / "file" / "cache")


def test_what_is_kept_can_be_read_by_its_owner_alone(tmp_path):
    """Replies and results hold evidence: also under a umask that forbids nothing."""
    before = os.umask(0)
    try:
        Store(tmp_path / "cache").put("ab12", {"n": 1})
    finally:
        os.umask(before)

    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode) for path in [tmp_path / "cache", *tmp_path.rglob("cache/**/*")]
    }
    assert modes == {"cache": 0o700, "ab": 0o700, "ab12.json": 0o600}
    assert Store(tmp_path / "cache").get("ab12") == {"n": 1}


def test_a_folder_that_is_there_keeps_its_mode(tmp_path):
    """It is somebody's own; what is put into it is not open to others all the same."""
    (tmp_path / "cache").mkdir(0o755)
    Store(tmp_path / "cache").put("ab12", {"n": 1})

    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "cache" / "ab").stat().st_mode) == 0o700


@tool
def read_file(at: str) -> str:
    """Reads."""
    return at


@tool(effect=Effect.ACT)
def restart(at: str) -> str:
    """Acts."""
    return at


def inputs(base: Path, **more: Any) -> dict[str, Any]:
    return {"runbooks": {"_base": str(base), "folders": ["pages"]}, **more}


def test_a_tool_result_is_kept_until_its_source_changes(tmp_path):
    """Arguments, inputs and the files behind them are the key; a page that was edited is read again."""
    (tmp_path / "pages").mkdir()
    page = tmp_path / "pages" / "a.md"
    page.write_text("one")
    cache = CachedTools(Store(tmp_path / "cache"), CacheCount())
    key = cache.key(read_file, {"at": "x"}, inputs(tmp_path), 0.0)
    cache.put(key, {"found": [1, None]})
    page.write_text("two, and longer")
    changed = cache.key(read_file, {"at": "x"}, inputs(tmp_path), 0.0)

    assert cache.get(key) == (True, {"found": [1, None]})
    assert changed != key
    assert cache.get(changed) == (False, None)
    assert cache.key(read_file, {"at": "y"}, inputs(tmp_path), 0.0) != changed


SECRETS = {
    "log": "pushed with ghp_c4naryc4naryc4naryc4naryc4nary1 to https://ops:c4nary-77@db/",
    "config": {"password": "c4nary-7777", "rows": [1, 2.5, None, True, "\u00e9 \u2028"]},
    "token=c4nary-8888": "a name",
}


def test_a_tool_result_is_kept_as_a_model_is_shown_it(tmp_path):
    """Keys in a log, passwords in a configuration: neither on the disk nor in what a hit gives back."""
    cache = CachedTools(Store(tmp_path / "cache"), CacheCount())
    cache.put("ab12", SECRETS)
    found, kept = cache.get("ab12")

    assert found
    assert data("look", kept) == data("look", SECRETS)
    assert "[secret]" in data("look", kept)
    assert held(b"".join(text for _, text in texts_of(tmp_path)), ("c4nary",)) == []


def test_a_result_that_would_come_back_as_another_is_not_kept(tmp_path):
    """Two names that differ in their secrets only are two rows, and would be one."""
    cache = CachedTools(Store(tmp_path / "cache"), CacheCount())
    cache.put("ab12", {"token=c4nary-1111": 1, "token=c4nary-2222": 2})

    assert cache.get("ab12") == (False, None)


def test_only_reading_of_settled_sources_is_kept(tmp_path):
    """What acts is never replayed from a cache; a server's present is not its past."""
    cache = CachedTools(Store(tmp_path / "cache"), CacheCount())
    live = {"metrics": {"_base": "", "url": "http://127.0.0.1:9"}, "window": {"as_of_s": 1_000.0, "length_s": 10.0}}

    assert cache.key(restart, {"at": "x"}, inputs(tmp_path), 0.0) == ""
    assert cache.key(read_file, {"at": "x"}, live, 1_010.0) == ""
    assert cache.key(read_file, {"at": "x"}, live, 9_000.0) != ""
