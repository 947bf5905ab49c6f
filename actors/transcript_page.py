"""A conversation as people read it: who said what, what each call took and cost, and how it ended. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from actors.span_page import Span, is_look, said_of_call, took
from actors.terminal import CHARACTERS_MAX, block, line, spread

_ROLES = {"user": "to the model", "assistant": "the model"}


@dataclass(slots=True)
class Turn:
    """A model call, and what followed it up to the next: its tool calls, by name, and looks of a watchdog model."""

    call: Span
    tools: dict[str, list[Span]] = field(default_factory=dict)
    looks: list[Span] = field(default_factory=list)


def readable(
    kept: str,
    spans: Sequence[Span] = (),
    *,
    time_s: tuple[float, float] | None = None,
    characters_max: int = CHARACTERS_MAX,
) -> str:
    """A transcript for people. `spans` are its session's, for times and tokens; the standing instructions come last.

    `time_s` is when the session began and ended, in Unix seconds as in `spans`.
    """
    told: Mapping[str, Any] = json.loads(kept)
    page = _Page(spans, time_s, characters_max)
    for message in told.get("messages", ()):
        page.message(message)
    page.end()
    head = [f"model   {line(told.get('model', ''))}", f"ended   {line(told.get('ended', ''))}"]
    standing = ["", "the standing instructions, the same for all of this specialist's sessions"]
    return "\n".join([*head, *page.lines, *standing, block(str(told.get("system", "")), characters_max=characters_max)])


class _Page:
    """The lines of a conversation, message by message."""

    def __init__(self, spans: Sequence[Span], time_s: tuple[float, float] | None, characters_max: int) -> None:
        self.lines: list[str] = []
        self._turns = _turns(spans)
        self._began_s: float = time_s[0] if time_s else spans[0]["started_at_s"] if spans else 0.0
        self._ended_s = time_s[1] if time_s else None
        self._last_s: float = max((span["ended_at_s"] for span in spans), default=self._began_s)
        self._characters_max = characters_max
        self._answered = 0
        self._open: dict[str, str] = {}  # tool by the id of a call that has no result yet
        self._model_is_next = False

    def message(self, message: Mapping[str, Any]) -> None:
        """Add a message, under the turn's head where it is the model's."""
        role = str(message["role"])
        self._model_is_next = role == "user"
        if role == "assistant":
            self._answered += 1
            turn = self._turn()
            said = f": {said_of_call(turn.call, self._began_s)}" if turn else ""
            self.lines += ["", f"=== turn {self._answered}{said}"]
        if not message["content"]:
            self.lines += ["", f"{_ROLES.get(role, line(role))}: nothing"]
        for who, text in self._blocks(role, message["content"]):
            self._say(who, text)
        if role == "user":
            self._say_looks()

    def end(self) -> None:
        """Add what no message tells: calls without a result, a call without a reply, what was under way at the end."""
        for name in self._open.values():
            span = self._tool_span(name)
            if span:
                self._say(f"no result of {line(name)} for the model, {took(span)}", span["error"] or "it had ended")
            else:
                self._say(f"no result of {line(name)}", "it was under way, or not begun, when the session ended")
        failed = self._turns[self._answered :]
        for turn in failed:
            self.lines += ["", f"=== a call without a reply: {said_of_call(turn.call, self._began_s)}"]
            self.lines.append(block(str(turn.call["error"]), characters_max=self._characters_max))
        if self._model_is_next and not failed:
            waited = "" if self._ended_s is None else f" in {self._ended_s - self._last_s:.2f} s"
            self.lines += ["", f"=== no reply of the model{waited}, when the session ended"]

    def _turn(self) -> Turn | None:
        return self._turns[self._answered - 1] if 0 < self._answered <= len(self._turns) else None

    def _say(self, who: str, text: str) -> None:
        self.lines += ["", who, block(text, characters_max=self._characters_max)]

    def _say_looks(self) -> None:
        turn = self._turn()
        for look in turn.looks if turn else ():
            said = look["error"] or "the session went on, or ended for what it said"
            self._say(f"a look of the watchdog model: {said_of_call(look, self._began_s)}", said)

    def _blocks(self, role: str, content: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
        """Who says what, block by block. The ids of calls are learned, so that results name their tool."""
        for one in content:
            kind = one.get("type")
            if kind == "text":
                yield _ROLES.get(role, line(role)), spread(one["text"])
            elif kind == "tool_use":
                self._open[one["id"]] = one["name"]
                yield f"the model calls {line(one['name'])}", json.dumps(one["input"], ensure_ascii=False)
            elif kind == "tool_result":
                yield self._result(one), spread(str(one["content"]))
            elif kind == "thinking":
                yield f"{_ROLES.get(role, line(role))} (thinking)", str(one.get("thinking", ""))
            else:
                yield f"{_ROLES.get(role, line(role))} ({line(kind)})", json.dumps(one, ensure_ascii=False)

    def _result(self, result: Mapping[str, Any]) -> str:
        name = self._open.pop(result["tool_use_id"], result["tool_use_id"])
        span = self._tool_span(name)
        parts = [line(name), *([took(span)] if span else []), *(["an error"] if result.get("is_error") else [])]
        return f"result of {', '.join(parts)}"

    def _tool_span(self, name: str) -> Span | None:
        turn = self._turn()
        spans = turn.tools.get(name) if turn else None
        return spans.pop(0) if spans else None


def _turns(spans: Sequence[Span]) -> list[Turn]:
    """Each model call of a session with what followed it. Calls without a reply come last; tools in order of asking."""
    turns: list[Turn] = []
    for span in sorted(spans, key=lambda span: float(span["started_at_s"])):
        kind, _, name = str(span["name"]).partition(" ")
        if is_look(span):
            if turns:
                turns[-1].looks.append(span)
        elif kind == "chat":
            turns.append(Turn(span))
        elif kind == "execute_tool" and turns:
            turns[-1].tools.setdefault(name, []).append(span)
    return sorted(turns, key=lambda turn: bool(turn.call["error"]))
