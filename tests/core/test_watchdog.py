"""The watchdog's rules: runaways of each kind end with their own message, and whatever is healthy is left alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from actors.contracts import JsonValue, Reason, Usage
from actors.models.base import ModelReply, ModelRequest, StopReason, Text, ToolUse
from actors.rules import WatchLimits
from actors.session import Session
from actors.specialists.base import Specialist
from actors.steps import Answer, Begun, CallTools, Ended, Role, ToolReturn, ToolsReturned
from actors.watchdog import words
from budget.errors import TaskError
from support.tasks import a_task

TURNS = 30
TURN_TOKENS = 3_000
LIMITS = WatchLimits()


def role(limits: WatchLimits = LIMITS) -> Role:
    return Role(agent="a", model="m", system="s", tools=(), check=Answer, output_tokens_max=100, limits=limits)


def ran(
    calls_of: Callable[[int], list[tuple[str, dict[str, JsonValue]]]],
    result_of: Callable[[ToolUse, int], JsonValue | Exception],
    *,
    turns: int = TURNS,
    tokens_max: int = 200_000,
    turn_tokens: int = TURN_TOKENS,
    limits: WatchLimits = LIMITS,
) -> tuple[Session, Ended | None, int]:
    """A session that makes `calls_of(turn)` each turn until it is ended or `turns` are over: how, and when."""
    session = Session(a_task(tokens_max=tokens_max, turns_max=turns + 2), role(limits))
    instruction = session.step(Begun())
    ids = itertools.count()
    for turn in range(turns):
        assert isinstance(instruction, ModelRequest)
        blocks = tuple(ToolUse(f"id-{next(ids)}", name, arguments) for name, arguments in calls_of(turn))
        usage = Usage(turn_tokens - 100, 100)
        instruction = session.step(ModelReply(blocks, usage, "m", StopReason.TOOL_USE))
        if isinstance(instruction, CallTools):
            instruction = session.step(ToolsReturned([returned(call, result_of(call, turn)) for call in blocks]))
        if isinstance(instruction, Ended):
            return session, instruction, turn + 1
    return session, None, turns


def returned(call: ToolUse, result: JsonValue | Exception) -> ToolReturn:
    return ToolReturn(call, error=str(result)) if isinstance(result, Exception) else ToolReturn(call, result)


@pytest.fixture
def sentences() -> Iterator[str]:
    return (f"service {name} lost {number} orders" for number, name in enumerate(itertools.cycle("abcdefgh"), 500))


# --- runaways ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("result", ["still 17", ValueError("429, try again")])
def test_the_same_call_over_and_over_is_ended_as_such(result):
    """Same call, same nothing: it says how often, how often it may, and which call."""
    _, ended, turns = ran(lambda _: [("count", {"of": "cart"})], lambda *_: result)

    assert ended is not None
    assert ended.reason is Reason.WATCHDOG
    assert ended.message.startswith("the same call 5 times, at most 4 while nothing new comes of it")
    assert "count" in ended.message
    assert "cart" in ended.message
    assert turns == LIMITS.repeats_max + 1


def test_two_calls_in_turns_are_a_loop_too():
    """There and back again: neither is new any more."""
    _, ended, turns = ran(lambda turn: [("look", {"at": "ab"[turn % 2]})], lambda call, _: f"see {call.arguments}")

    assert ended is not None
    assert ended.message.startswith("the same call 5 times")
    assert turns == 2 * LIMITS.repeats_max + 1


def test_turns_of_nothing_but_errors_are_ended_as_no_progress():
    """Worded anew each time, failing each time."""
    _, ended, turns = ran(lambda turn: [("fetch", {"what": f"attempt {turn}"})], lambda *_: ValueError("503 again"))

    assert ended is not None
    assert ended.reason is Reason.WATCHDOG
    assert ended.message.startswith("no progress: all tool calls of 6 turns in a row failed, at most 5 may")
    assert ended.message.endswith("503 again")
    assert turns == LIMITS.fruitless_turns_max + 1


@pytest.mark.parametrize(
    "refusal",
    [
        lambda call, _: {"status": 429, "for": call.arguments["what"], "retry": True},
        lambda _, turn: {"status": 429, "request_id": f"req_0{turn}7ab5c9", "at": f"2026-11-21T10:00:{turn:02d}.120Z"},
        lambda *_: [],
    ],
    ids=["echo", "ids and times", "empty"],
)
def test_tokens_burned_on_refusals_in_the_form_of_results_are_ended_by_the_burn_rate(refusal):
    """The 412-dollar loop: each call is worded anew, none fails, and nothing new comes back."""
    session, ended, turns = ran(
        lambda turn: [("fetch", {"what": f"the figures, attempt {turn}"})], refusal, turn_tokens=11_000
    )

    assert ended is not None
    assert ended.reason is Reason.WATCHDOG
    assert ended.message.startswith("burn rate: ")
    assert "brought nothing new, at most 50000 of the task's 200000" in ended.message
    assert turns <= 7
    assert session.spent_tokens == turns * 11_000


# --- healthy sessions -------------------------------------------------------------------------------------------------


def test_a_session_that_reads_many_sources_is_left_alone(sentences):
    """Busy is not runaway: each turn brings something, at whatever price."""
    texts = list(itertools.islice(sentences, TURNS))
    _, ended, _ = ran(lambda turn: [("read", {"page": turn})], lambda _, turn: texts[turn], turn_tokens=6_000)

    assert ended is None


def test_one_number_a_turn_is_news():
    """Small answers are answers."""
    _, ended, _ = ran(
        lambda turn: [("count", {"of": f"s{turn}"})], lambda _, turn: {"count": 37 * turn % 101}, turn_tokens=6_000
    )

    assert ended is None


def test_many_small_turns_without_news_are_left_alone():
    """Asking around for little: below its share of the ceiling nothing is ended."""
    _, ended, _ = ran(lambda turn: [("find", {"word": f"w{turn}"})], lambda *_: [], turn_tokens=1_000)

    assert ended is None


def test_one_costly_turn_without_news_is_left_alone(sentences):
    """It takes several in a row."""
    texts = list(itertools.islice(sentences, TURNS))

    def result(_: ToolUse, turn: int) -> JsonValue:
        return texts[turn] if turn % 4 == 0 else []

    _, ended, _ = ran(lambda turn: [("find", {"word": f"w{turn}"})], result, turns=12, turn_tokens=15_000)

    assert ended is None


def test_the_same_call_whose_result_changes_is_left_alone():
    """Looking again after the world has changed is work."""
    _, ended, _ = ran(lambda _: [("queue", {})], lambda _, turn: f"{'abcdefghijklmnopqrstuvwxyzabcdef'[turn]} is next")

    assert ended is None


def test_the_same_call_between_new_ones_is_left_alone():
    """Change something, run the same check: it may fail the same way more than four times."""

    def calls(turn: int) -> list[tuple[str, dict[str, JsonValue]]]:
        return [("check", {})] if turn % 2 else [("edit", {"line": turn, "text": f"try {turn}"})]

    _, ended, _ = ran(
        calls, lambda call, turn: "3 failed" if call.name == "check" else f"saved {turn}", turn_tokens=900
    )

    assert ended is None


def test_a_session_that_writes_is_left_alone():
    """What it writes is new, though all that comes back is an acknowledgement."""
    texts = [" ".join(f"{letter}{letter * n}x" for letter in "abcdefghijkl") for n in range(1, TURNS + 1)]
    _, ended, _ = ran(lambda turn: [("note", {"text": texts[turn]})], lambda *_: {"ok": True}, turn_tokens=6_000)

    assert ended is None


# --- limits -----------------------------------------------------------------------------------------------------------


def test_a_specialist_may_have_limits_of_its_own():
    """A poller may poll."""
    limits = WatchLimits(repeats_max=20)
    _, ended, turns = ran(lambda _: [("queue", {})], lambda *_: "empty", limits=limits, turn_tokens=900)

    assert ended is not None
    assert "the same call 21 times, at most 20" in ended.message
    assert turns == 21
    assert Specialist.__dataclass_fields__["watchdog"].default == LIMITS


@pytest.mark.parametrize(
    "wrong",
    [{"repeats_max": 0}, {"repeats_max": 3.0}, {"calls_max": 0}, {"stale_tokens_max": 0}, {"stale_share_max": 0.0}],
)
def test_a_limit_that_makes_no_sense_is_refused(wrong):
    """Said with its name, before anything runs."""
    with pytest.raises(TaskError, match=next(iter(wrong))):
        WatchLimits(**wrong)


def test_what_changes_by_itself_is_no_word():
    """Ids, times and long numbers."""
    found = words('{"id":"req_01ab34cd","at":"2026-11-21T10:00:00.1Z","t":1763719200,"n":17.5,"said":"Too many"}')

    assert found == {"id", "at", "t", "n", "said", "17.5", "too", "many"}


def test_the_text_of_the_last_message_may_grow_after_it_was_read():
    """The word before the last turn joins the results of the turn before it: nothing is counted twice."""
    session, ended, _ = ran(
        lambda turn: [("find", {"word": f"w{turn}"})], lambda *_: [], turns=6, tokens_max=20_000, turn_tokens=800
    )

    assert ended is None
    assert session.messages[-1].role == "user"
    assert any(isinstance(block, Text) for block in session.messages[0].blocks)
