"""Rules that end a runaway session: the same call over and over, nothing but errors, and tokens burned for nothing new.

A rule's verdict is a message, or "" to let the session go on. Time is no sign of a runaway, and neither is spending as
such: a slow session and one that reads a lot are left alone. What no rule here sees ends at its ceiling.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from actors.contracts import JsonValue
from actors.models.base import Message, ToolResult, ToolUse
from actors.rules import WatchLimits

if TYPE_CHECKING:
    from actors.steps import ToolReturn


@dataclass(slots=True)
class Watchdog:
    """The rules over one session. Tell it what is called, what came of it, and what had been spent by then."""

    limits: WatchLimits
    tokens_max: int
    _asked: dict[str, int] = field(default_factory=dict)  # how often each call was made since something new came
    _repeated: bool = False
    _last: dict[str, JsonValue] | None = None  # what came of calls, once one was made again
    _fruitless_turns: int = 0
    _spent_tokens: list[int] = field(default_factory=list)  # after each turn with tools
    _news: News | None = None  # read from the conversation when it matters first

    def calls(self, calls: Sequence[ToolUse]) -> str:
        """Before a turn's calls are made: whether one was made too often already."""
        asked = self._asked
        for call in calls:
            said = _said(call)
            times = asked[said] = asked.get(said, 0) + 1
            if times > 1:
                self._repeated = True
                if times > self.limits.repeats_max:
                    return (
                        f"the same call {times} times, at most {self.limits.repeats_max} while nothing new comes of it "
                        f"(repeats_max of the specialist): {said[:200]}"
                    )
        return ""

    def returned(self, returns: Sequence[ToolReturn], spent_tokens: int, messages: Sequence[Message]) -> str:
        """After a turn's calls, when their results are in `messages`. `spent_tokens` is the session's spend so far."""
        if self._repeated:
            self._forgive(returns)
        fruitless = True
        for one in returns:
            if one.error is None:
                fruitless = False
                break
        self._fruitless_turns = self._fruitless_turns + 1 if fruitless else 0
        if self._fruitless_turns > self.limits.fruitless_turns_max:
            return self._no_progress(returns)
        self._spent_tokens.append(spent_tokens)
        if fruitless or len(self._spent_tokens) <= self.limits.stale_turns_max:
            return ""  # of failures alone the rule above tells, and quotes the last
        return self._burning(spent_tokens, messages)

    def _forgive(self, returns: Sequence[ToolReturn]) -> None:
        """A call whose result has changed, or that stands beside one never made before, begins to count anew."""
        last = self._last = self._last or {}
        for one in returns:
            if one.error is not None:
                continue
            said = _said(one.call)
            if self._asked.get(said) == 1:
                self._asked = dict.fromkeys(self._asked, 1)
            elif said in last and last[said] != one.content:
                self._asked[said] = 1
            last[said] = one.content

    def _no_progress(self, returns: Sequence[ToolReturn]) -> str:
        last = returns[-1]
        return (
            f"no progress: all tool calls of {self._fruitless_turns} turns in a row failed, at most "
            f"{self.limits.fruitless_turns_max} may (fruitless_turns_max of the specialist); "
            f"the last one, {last.call.name}, of: {str(last.error)[:200]}"
        )

    def _burning(self, spent_tokens: int, messages: Sequence[Message]) -> str:
        most_tokens = self.limits.stale_tokens(self.tokens_max)
        if spent_tokens <= most_tokens:
            return ""
        self._news = self._news or News()
        stale_turns, turns = self._news.stale_turns(messages), len(self._spent_tokens)
        burned_tokens = spent_tokens - (self._spent_tokens[-1 - stale_turns] if stale_turns < turns else 0)
        if stale_turns <= self.limits.stale_turns_max or burned_tokens <= most_tokens:
            return ""
        return (
            f"burn rate: {burned_tokens} tokens over {stale_turns} turns in a row that brought nothing new, at most "
            f"{most_tokens} of the task's {self.tokens_max} may go so (stale_share_max and stale_tokens_max of the "
            f"specialist): ask for less, or let its tools say when there is no more to find"
        )


# --- news -------------------------------------------------------------------------------------------------------------

# So many new words in calls that succeed are work too: something is written, and a bare "ok" comes back.
WRITTEN_WORDS_MIN = 10
# Ids, times and long numbers change with every reply, also with every refusal: no news. A short number may be one.
_VOLATILE = re.compile(r"\d{4}-\d\d-\d\d[t ]?[\d:.,+z-]*|\b(?=[\w-]*\d)(?=[\w-]*[a-z])[\w-]{8,}\b|\d{9,}(?:\.\d+)?")
_WORD = re.compile(r"[^\W\d_]+|\d+(?:\.\d+)?")


@dataclass(slots=True)
class News:
    """Which turns of a conversation brought a word that no earlier one had and their own calls did not hold."""

    _read: int = 0  # messages
    _seen: set[str] = field(default_factory=set)
    _stale_turns: int = 0

    def stale_turns(self, messages: Sequence[Message]) -> int:
        """Turns with tools, in a row up to the last, that brought no news."""
        unread = messages[self._read :]
        called = {block.id: block for message in unread for block in message.blocks if isinstance(block, ToolUse)}
        for message in unread:
            results = [block for block in message.blocks if isinstance(block, ToolResult)]
            if results:
                self._stale_turns = 0 if self._is_news(results, called) else self._stale_turns + 1
        self._read = len(messages)
        return self._stale_turns

    def _is_news(self, results: Iterable[ToolResult], called: dict[str, ToolUse]) -> bool:
        news = False
        written: set[str] = set()
        for result in results:
            call = called.get(result.tool_use_id)
            own = words(str(call.arguments)) if call else set()
            if not result.is_error:
                found = words(result.content)
                news |= not found <= own | self._seen
                written |= own - self._seen
                self._seen |= found
            self._seen |= own
        return news or len(written) >= WRITTEN_WORDS_MIN


def words(text: str) -> set[str]:
    """The words and numbers of a text, without what changes by itself."""
    return set(_WORD.findall(_VOLATILE.sub(" ", text.lower())))


def _said(call: ToolUse) -> str:
    return f"{call.name} {call.arguments_text}"
