"""Carries one session out: model, tools, its deadline, and the bill."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial

from actors.bill import Bill, Prices, counted
from actors.contracts import JsonValue, Outcome, Reason, Result, Span, Task, Work, failure
from actors.deadlines import Deadlines
from actors.foreign import ends_session, in_thread, shown, taken, trace
from actors.models.base import ModelClient, ModelError, ModelRequest, ToolUse, unseen_of, unseen_tokens_of
from actors.redaction import redacted
from actors.rules import Rules
from actors.session import Session
from actors.specialists.base import Specialist
from actors.steps import (
    Begun,
    CallOverseer,
    CallTools,
    Done,
    Ended,
    Event,
    ModelFailed,
    Overseen,
    Role,
    Stopped,
    ToolReturn,
    ToolsReturned,
)
from actors.toolbox import Toolbox
from actors.tools.base import SourceError, ToolContext
from actors.traces import traceparent
from actors.transcripts import ending, transcript, wanted

log = logging.getLogger("muster.subagent")


@dataclass(slots=True)
class Runner:
    """Runs tasks of one specialist, many at once, in one event loop."""

    specialist: Specialist
    role: Role
    model: ModelClient
    prices: Prices
    toolbox: Toolbox
    threads: Executor
    host: str
    rules: Rules = field(default_factory=Rules)
    clock: Callable[[], float] = time.time
    deadlines: Deadlines = field(default_factory=Deadlines)

    async def run(self, task: Task, *, received_s: float) -> Outcome:
        """The task's outcome, whatever happens: failures are values, also when the caller cancels.

        The task's worst case must be held by then, and what it says that it spent is to be reconciled.
        """
        session, bill, started_s = Session(task, self.role), Bill(self.prices, self.role.model), self.clock()
        ended, unresolved = await self._within_deadline(session, bill)
        if session.unseen_tokens:
            bill.unseen(session.unseen_tokens)
        queued_ms, elapsed_ms = 1000 * (started_s - received_s), 1000 * (self.clock() - started_s)
        work = Work(
            bill.model, session.usage, session.spent_tokens, bill.cost_microusd, session.model_calls,
            session.tool_calls, self.host, queued_ms, started_s, elapsed_ms, tuple(bill.spans), bill.cached_replies,
            bill.cached_results, bill.saved_tokens,
        )  # fmt: skip
        if wanted(self.rules.transcripts, isinstance(ended, Ended)):
            work = work._replace(transcript=transcript(session, ending(ended)))
        if isinstance(ended, Ended):
            return failure(task, ended.reason, ended.message, work, found=session.found)
        return Result(task.id, task.run_id, task.agent, task.attempt, ended.answer.json, unresolved, work)

    async def _within_deadline(self, session: Session, bill: Bill) -> tuple[Done | Ended, tuple[str, ...]]:
        """Drives the session to its end, or ends it when its time is up or its host says so."""
        task = session.task
        self.deadlines.begin(task.id, task.deadline_s)
        try:
            ended = await self._drive(session, bill)
            if isinstance(ended, Ended) or self.specialist.check_citations is None:
                return ended, ()
            return ended, await self._unresolved(task, ended)
        except SourceError as error:
            why = redacted(f"its citations could not be looked up, and nothing can be said without that: {error}")
            return Ended(Reason.TOOL_ERROR, why), ()
        except asyncio.CancelledError as error:
            _swallow_cancellation()
            if self.deadlines.end(task.id):
                late = f"no answer within {task.deadline_s:g} s (deadline of the task)"
                return _stopped(session, Reason.TIMEOUT, late, error), ()
            return _stopped(session, Reason.CANCELLED, "cancelled while at work", error), ()
        finally:
            self.deadlines.end(task.id)

    async def _drive(self, session: Session, bill: Bill) -> Done | Ended:
        task = session.task
        event: Event = Begun()
        while True:
            instruction = session.step(event)
            if isinstance(instruction, ModelRequest):
                event = await self._call_model(task, instruction, bill)
            elif isinstance(instruction, CallTools):
                event = ToolsReturned(await self._call_tools(task, instruction.calls, bill))
            elif isinstance(instruction, CallOverseer):
                event = await self._call_overseer(task, instruction, bill)
            else:
                return instruction

    async def _call_model(self, task: Task, request: ModelRequest, bill: Bill) -> Event:
        if self.rules.traced:
            request = self._traced(request, task, bill)
        started_s = self.clock()
        try:
            given = await self.model.reply(request)
        except ModelError as error:
            told = json.dumps(error.attributes) if error.attributes else ""
            self._span(bill, f"chat {request.model}", started_s, error=str(error), attributes=told)
            return ModelFailed(str(error), error.unseen_tokens, error.circuit_open)
        except BaseException as error:
            if ends_session(error, task.id):
                unseen = unseen_of(error)
                told = json.dumps(dict(unseen.attributes)) if unseen else ""
                self._span(bill, f"chat {request.model}", started_s, error="cut off while under way", attributes=told)
                raise
            # of a client that is not ours, and may have been billed
            log.warning("model client broke run=%s task=%s\n%s", task.run_id, task.id, trace(error))
            return self._model_broke(request, shown(error), started_s, bill)
        reply = taken(given)
        if isinstance(reply, str):
            return self._model_broke(request, reply, started_s, bill)
        bill.replied(request, reply)
        if self.rules.spans:
            told = counted(bill.model, request, reply)
            bill.spans.append(Span(f"chat {bill.model}", started_s, self.clock(), "", told))
        return reply

    def _model_broke(self, request: ModelRequest, problem: str, started_s: float, bill: Bill) -> ModelFailed:
        """A call whose client did not keep its contract: nobody knows what it cost, so it is its worst case."""
        message = redacted(f"the model client broke: {problem}")
        self._span(bill, f"chat {request.model}", started_s, error=message)
        return ModelFailed(message, (request.input_tokens_max or 0) + request.output_tokens_max)

    async def _call_overseer(self, task: Task, instruction: CallOverseer, bill: Bill) -> Event:
        """One look of the small model. Whatever goes wrong with it is noted in its span, and the session goes on."""
        request, started_s = instruction.request, self.clock()
        if self.rules.traced:
            request = self._traced(request, task, bill)
        reply, unseen_tokens, problem, broken = None, 0, "", ""
        try:
            async with asyncio.timeout(instruction.wait_s):
                given = taken(await self.model.reply(request))
        except ModelError as error:
            unseen_tokens, problem = error.unseen_tokens, str(error)
        except TimeoutError as error:
            unseen_tokens = unseen_tokens_of(error, otherwise=request.tokens_left or 0)
            problem = f"no answer within {instruction.wait_s:g} s"
        except BaseException as error:
            if ends_session(error, task.id):
                raise
            log.warning("watchdog model broke run=%s task=%s\n%s", task.run_id, task.id, trace(error))
            broken = shown(error)
        else:
            reply, broken = (None, given) if isinstance(given, str) else (given, "")
        if broken:
            unseen_tokens, problem = request.tokens_left or 0, redacted(f"the model client broke: {broken}")
        told = bill.overseen(request, reply, unseen_tokens)
        bill.spans.append(Span(f"chat {request.model}", started_s, self.clock(), problem, told))
        return Overseen(reply, unseen_tokens)

    async def _call_tools(self, task: Task, calls: tuple[ToolUse, ...], bill: Bill) -> list[ToolReturn]:
        if len(calls) == 1:
            return [await self._call_tool(task, calls[0], bill)]
        named = [asyncio.create_task(self._call_tool(task, call, bill), name=task.id) for call in calls]
        return await asyncio.gather(*named)

    async def _call_tool(self, task: Task, call: ToolUse, bill: Bill) -> ToolReturn:
        started_s = self.clock()
        returned = await self.toolbox.call(task, call)
        bill.cached_results += returned.cached
        if self.rules.spans:
            bill.spans.append(Span(f"execute_tool {call.name}", started_s, self.clock(), returned.error or ""))
        return returned

    async def _unresolved(self, task: Task, done: Done) -> tuple[str, ...]:
        """Citations of an answer that their source does not hold; all of them, where the look-up itself breaks.

        Raises SourceError when the source cannot be asked: what is struck then would make a sick service look well.
        """
        check = self.specialist.check_citations
        cited = list(dict.fromkeys(_citations(json.loads(done.answer.json))))
        if check is None or not cited:
            return ()
        context = ToolContext(task.id, task.inputs, task.idempotency_key, self.toolbox.shared)
        checked = partial(in_thread, lambda: list(check(context, cited)))
        try:
            return tuple(await asyncio.get_running_loop().run_in_executor(self.threads, checked))
        except SourceError:
            raise
        except Exception as error:
            log.warning("citations not checked run=%s task=%s\n%s", task.run_id, task.id, trace(error))
            return tuple(cited)

    def _traced(self, request: ModelRequest, task: Task, bill: Bill) -> ModelRequest:
        """The request with the span that it will have, for the provider to see."""
        own = traceparent(self.rules.batch, task.run_id, task.id, task.attempt, len(bill.spans))
        return request._replace(traceparent=own)

    def _span(self, bill: Bill, name: str, started_s: float, *, error: str, attributes: str = "") -> None:
        if self.rules.spans:
            bill.spans.append(Span(name, started_s, self.clock(), error, attributes))


def _stopped(session: Session, reason: Reason, message: str, error: BaseException) -> Ended:
    if session.ended:  # the answer was there; only its citations were still being looked up
        return Ended(reason, message)
    instruction = session.step(Stopped(reason, message, unseen_tokens_of(error, otherwise=session.bound_tokens)))
    assert isinstance(instruction, Ended)
    return instruction


def _citations(value: JsonValue) -> Iterator[str]:
    """Every string in a list under a key `citations`, anywhere in an answer."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "citations" and isinstance(item, list):
                yield from (citation for citation in item if isinstance(citation, str))
            else:
                yield from _citations(item)
    elif isinstance(value, list):
        for item in value:
            yield from _citations(item)


def _swallow_cancellation() -> None:
    """A cancelled session still reports: what it spent must be known."""
    current = asyncio.current_task()
    if current is not None:
        current.uncancel()


__all__ = ["Runner"]
