"""The tools of one host at work: only those that the specialist may use, once for equal calls, never into a circuit.

A breaker per tool counts what the tool itself gets wrong: exceptions that nobody foresaw, its timeouts among them. A
source that cannot be read is one service's trouble, not the tool's: it ends that task and opens no circuit.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

from actors.contracts import JsonValue, Task
from actors.foreign import ends_session, in_thread, plain, shown, trace
from actors.models.base import ToolUse
from actors.models.breaker import Breaker, Pass, Refused
from actors.redaction import redacted
from actors.steps import ToolReturn
from actors.tools.base import Effect, SourceError, Tool, ToolContext, ToolError
from actors.tools.cached import CachedTools
from actors.tools.shared import Shared

log = logging.getLogger("muster.subagent")

KNOWN_MAX = 1_024  # results of equal calls within a run that a host remembers


@dataclass(slots=True)
class Known:
    """A call that was made, or is under way: what came of it, and who waits for that."""

    inputs: Mapping[str, JsonValue]
    returned: ToolReturn | None = None
    waiting: asyncio.Future[ToolReturn | None] | None = None

    async def wait(self) -> ToolReturn | None:
        """What comes of it; None when whoever made the call is cancelled."""
        if self.waiting is None:
            self.waiting = asyncio.get_running_loop().create_future()
        return await asyncio.shield(self.waiting)

    def settle(self, returned: ToolReturn | None) -> None:
        self.returned = returned
        if self.waiting is not None:
            self.waiting.set_result(returned)


@dataclass(slots=True, kw_only=True)
class Toolbox:
    """Runs tool calls for all sessions of a host. Never raises but when cancelled: an error is a `ToolReturn`.

    `grants` are the names of tools with effect `act` that may run. `cached` keeps results from run to run.
    """

    tools: Mapping[str, Tool]
    shared: Shared
    threads: Executor
    grants: frozenset[str] = frozenset()
    cached: CachedTools | None = None
    clock: Callable[[], float] = time.monotonic
    _known: dict[tuple[str, str, str], Known] = field(default_factory=dict)
    _older: dict[tuple[str, str, str], Known] = field(
        default_factory=dict
    )  # forgotten all at once, when _known is full
    _breakers: dict[str, Breaker] = field(default_factory=dict)  # of tools that have broken at least once
    _traced: set[tuple[str, str, int]] = field(
        default_factory=set
    )  # failures whose trace the log has: tool, kind, line

    async def call(self, task: Task, call: ToolUse) -> ToolReturn:
        """What comes of one call. A tool that may not be used is refused, logged, and not run."""
        tool = self.tools.get(call.name)
        if tool is None:
            log.warning("tool refused: not on the list run=%s task=%s tool=%.100r", task.run_id, task.id, call.name)
            names = ", ".join(self.tools) or "none"
            return ToolReturn(call, error=f"{call.name[:100]!r} is not one of your tools: {names}")
        if tool.effect is Effect.READ:
            return await self._once(tool, task, call)
        if tool.effect is Effect.ACT and tool.name not in self.grants:
            log.warning("tool refused: no grant run=%s task=%s tool=%s", task.run_id, task.id, call.name)
            return ToolReturn(call, error=f"{call.name!r} acts on the world and was not granted: propose instead")
        return await self._guarded(tool, task, call)

    async def _once(self, tool: Tool, task: Task, call: ToolUse) -> ToolReturn:
        """Equal calls on equal inputs, within a run, are made once; what came of them is told to all."""
        key = (task.run_id, call.name, call.arguments_text)
        known = self._known.get(key) or self._older.get(key)
        if known is not None and known.inputs == task.inputs:
            told = known.returned or await known.wait()
            return await self._guarded(tool, task, call) if told is None else told.for_equal(call)
        known = self._known[key] = Known(task.inputs)
        if len(self._known) > KNOWN_MAX:
            self._older, self._known = self._known, {}
        try:
            returned = await self._guarded(tool, task, call)
        except BaseException:
            self._forget(key, known)
            known.settle(None)
            raise
        if returned.error is not None:  # it may be gone the next time
            self._forget(key, known)
        known.settle(returned)
        return returned

    def _forget(self, key: tuple[str, str, str], known: Known) -> None:
        for where in (self._known, self._older):
            if where.get(key) is known:
                del where[key]

    async def _guarded(self, tool: Tool, task: Task, call: ToolUse) -> ToolReturn:
        """What comes of it. A tool that has broken before is not called while its circuit is open."""
        if tool.name not in self._breakers:
            try:
                return await self._executed(tool, task, call)
            except Exception as error:
                returned, broke = self._failed(task, call, error)
            if broke:
                self._breakers.setdefault(tool.name, Breaker()).failed(Pass(0), self.clock(), str(returned.error))
            return returned
        breaker = self._breakers[tool.name]
        given = breaker.ask(self.clock())
        if isinstance(given, Refused):
            problem = f"its circuit is open for {given.retry_in_s:.1f} s more, as it kept failing: {given.cause}"
            return ToolReturn(call, error=problem, fatal=True, circuit_open=True)
        return await self._behind(breaker, given, tool, task, call)

    async def _behind(self, breaker: Breaker, given: Pass, tool: Tool, task: Task, call: ToolUse) -> ToolReturn:
        """A call whose end its breaker is told."""
        broke = False
        try:
            returned = await self._executed(tool, task, call)
        except Exception as error:
            returned, broke = self._failed(task, call, error)
        except BaseException:
            breaker.abandoned(given)
            raise
        if broke:
            breaker.failed(given, self.clock(), str(returned.error))
        else:
            breaker.succeeded(given, self.clock())
        return returned

    def _failed(self, task: Task, call: ToolUse, error: Exception) -> tuple[ToolReturn, bool]:
        """The error as the session is told it, and whether the tool itself broke."""
        if isinstance(error, ToolError):
            return ToolReturn(call, error=redacted(str(error)), fatal=isinstance(error, SourceError)), False
        said = redacted(shown(error))  # a library may quote a secret of its request
        where = (call.name, type(error).__name__, _last_line(error))
        told = said if where in self._traced else trace(error)
        log.error("tool failed run=%s task=%s tool=%s\n%s", task.run_id, task.id, call.name, told)
        self._traced.add(where)
        return ToolReturn(call, error=said), True

    async def _executed(self, tool: Tool, task: Task, call: ToolUse) -> ToolReturn:
        arguments = tool.arguments(call.arguments)
        if self.cached is not None:
            return await self._cached_or_run(self.cached, tool, task, call, arguments)
        return ToolReturn(call, await self._run(tool, task, call, arguments))

    async def _cached_or_run(
        self, cached: CachedTools, tool: Tool, task: Task, call: ToolUse, arguments: dict[str, Any]
    ) -> ToolReturn:
        loop = asyncio.get_running_loop()
        key = await loop.run_in_executor(self.threads, cached.key, tool, call.arguments, task.inputs, time.time())
        found, result = await loop.run_in_executor(self.threads, cached.get, key)
        if found:
            return ToolReturn(call, result, cached=True)
        result = await self._run(tool, task, call, arguments)
        await loop.run_in_executor(self.threads, cached.put, key, result)
        return ToolReturn(call, result)

    async def _run(self, tool: Tool, task: Task, call: ToolUse, arguments: dict[str, Any]) -> JsonValue:
        leading = (self._context(task, tool, call),) if tool.takes_context else ()
        if tool.blocking:
            called = partial(tool.function, *leading, **arguments)
            return plain(await asyncio.get_running_loop().run_in_executor(self.threads, in_thread, called))
        try:
            return plain(await cast(Any, tool.function(*leading, **arguments)))
        except BaseException as error:
            if isinstance(error, Exception) or ends_session(error, task.id):
                raise
            # sys.exit() in a tool ends its call, not the host.
            raise RuntimeError(shown(error)) from error

    def _context(self, task: Task, tool: Tool, call: ToolUse) -> ToolContext:
        key = task.idempotency_key
        if tool.effect is not Effect.READ:
            key = call_key(key, call)
        return ToolContext(task.id, task.inputs, key, self.shared)


def call_key(task_key: str, call: ToolUse) -> str:
    """The idempotency key of one logical call: of what it does, so that a resumed session says the same key."""
    body = json.dumps([task_key, call.name, dict(call.arguments)], sort_keys=True)
    return hashlib.sha256(body.encode()).hexdigest()[:40]


def _last_line(error: BaseException) -> int:
    """Where it was raised."""
    line, at = 0, error.__traceback__
    while at is not None:
        line, at = at.tb_lineno, at.tb_next
    return line
