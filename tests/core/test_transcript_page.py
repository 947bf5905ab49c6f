"""A conversation as people read it: what the agent saw and said, what each call took and cost, and how it ended."""

from __future__ import annotations

import json
from typing import Any

from actors.transcript_page import readable

RESULT = '<data from="look">\n{"found":3,"of":["a","b"]}\n</data>'
TALK = [
    {"role": "user", "content": [{"type": "text", "text": "Look at the cart."}]},
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "x"},
            {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": "cart"}},
        ],
    },
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": RESULT}]},
    {"role": "assistant", "content": [{"type": "text", "text": '{"summary":"fine"}'}]},
]


def kept(**changes: Any) -> str:
    return json.dumps({"model": "m", "system": "Be brief.", "messages": TALK, "ended": "answered", **changes})


def span(name: str, began_s: float, ended_s: float, error: str = "", **told: Any) -> dict[str, Any]:
    attributes = json.dumps({key.replace("__", "."): value for key, value in told.items()}) if told else ""
    return {"name": name, "started_at_s": began_s, "ended_at_s": ended_s, "error": error, "attributes": attributes}


def chat(began_s: float, ended_s: float, **more: Any) -> dict[str, Any]:
    counts = {"gen_ai__usage__input_tokens": 1_200, "gen_ai__usage__output_tokens": 30}
    return span("chat m", began_s, ended_s, **{**counts, "gen_ai__response__finish_reasons": ["tool_use"], **more})


def test_the_page_says_first_how_it_ended_and_last_what_all_sessions_are_told() -> None:
    """In between, turn by turn, who said what."""
    lines = readable(kept()).splitlines()

    assert lines[:2] == ["model   m", "ended   answered"]
    assert lines[-1] == "    Be brief."
    heads = [line for line in lines if line and not line.startswith(" ")][2:-1]
    assert heads == [
        "to the model", "=== turn 1", "the model (thinking)", "the model calls look", "result of look",
        "=== turn 2", "the model",
    ]  # fmt: skip


def test_each_turn_says_what_it_took_and_cost() -> None:
    """Times from the session's start; tokens, cache reads, attempts that were lost and what they may have cost."""
    lost = {"muster__attempts": 3, "muster__faults": ["reset", "overloaded"], "muster__unseen_tokens": 5_000}
    spans = [
        chat(100.0, 101.5, gen_ai__usage__cache_read__input_tokens=900),
        span("execute_tool look", 101.5, 101.75),
        chat(101.75, 104.0, muster__waited_ms=1_500.0, **lost),
    ]

    page = readable(kept(), spans)

    assert "=== turn 1: at 0.00 s, took 1.50 s; 1,200 tokens in, 30 out; stopped by tool_use" not in page
    assert "1,200 tokens in (900 read from the cache, 0 written), 30 out; stopped by tool_use" in page
    assert "result of look, 0.25 s" in page
    assert "=== turn 2: at 1.75 s, took 2.25 s" in page
    assert "attempt 3 after reset, overloaded; up to 5,000 tokens more may be billed" in page
    assert "waited 1.5 s for its turn" in page


def test_a_call_without_a_reply_is_shown_with_its_error() -> None:
    """It is why the session ended; no message tells of it."""
    spans = [chat(1.0, 2.0), span("chat m", 2.0, 9.0, "status 500: out of order", muster__attempts=8)]

    page = readable(kept(messages=TALK[:3], ended="model_error: status 500"), spans)

    assert "=== a call without a reply: at 1.00 s, took 7.00 s" in page
    assert "no reply of the model" not in page
    assert "    status 500: out of order" in page


def test_a_look_of_a_small_model_is_no_turn() -> None:
    """It is in the session's bill, stands between the turns, and said nothing to the agent."""
    spans = [chat(1.0, 2.0), span("chat small", 2.0, 3.0, muster__watchdog__tokens=99), chat(3.0, 4.0)]

    page = readable(kept(), spans)

    assert "=== turn 2: at 2.00 s" in page
    assert page.index("a look of the watchdog model: at 1.00 s") < page.index("=== turn 2")


def test_tools_side_by_side_have_their_own_times() -> None:
    """In the order in which they were asked for, whichever was through first."""
    calls = [{"type": "tool_use", "id": f"t{n}", "name": "look", "input": {"at": n}} for n in (1, 2)]
    results = [{"type": "tool_result", "tool_use_id": f"t{n}", "content": f"found {n}"} for n in (1, 2)]
    talk = [{"role": "assistant", "content": calls}, {"role": "user", "content": results}]
    spans = [chat(0.0, 1.0), span("execute_tool look", 1.002, 2.0), span("execute_tool look", 1.001, 9.0)]

    page = readable(kept(messages=talk), spans)

    assert "result of look, 8.00 s\n    found 1" in page
    assert "result of look, 1.00 s\n    found 2" in page


def test_what_was_under_way_when_the_session_ended_is_said() -> None:
    """A call of the model without an answer, and tools without a result: that is where the time went."""
    asked = readable(kept(messages=TALK[:3], ended="timeout"), [chat(1.0, 2.0)], time_s=(1.0, 31.5))
    tools = readable(kept(messages=TALK[:2], ended="timeout"), [chat(1.0, 2.0)], time_s=(1.0, 31.5))
    broken = readable(kept(messages=TALK[:2]), [chat(1.0, 2.0), span("execute_tool look", 2.0, 2.5, "no such file")])

    assert "=== no reply of the model in 29.50 s, when the session ended" in asked
    assert "no result of look\n    it was under way, or not begun, when the session ended" in tools
    assert "no result of look for the model, 0.50 s\n    no such file" in broken


def test_a_secret_that_a_model_made_up_or_was_told_is_not_shown() -> None:
    """What is kept may be as it was said; what is shown has been read over."""
    said = [{"role": "assistant", "content": [{"type": "text", "text": "password=hunter2hunter2 it said"}]}]

    page = readable(kept(messages=said, ended="model_error: token=abcdef123456"))

    assert "hunter2" not in page
    assert "abcdef123456" not in page
    assert "[secret] it said" in page


def test_data_is_spread_out_and_wrapped_and_an_answer_stands_line_by_line() -> None:
    """The same JSON with room in it; no line wider than a terminal, unless one word is."""
    wide = json.dumps({"rows": [{"citation": f"incident:{n}", "minutes": n} for n in range(40)]}, separators=(",", ":"))
    talk = [*TALK, {"role": "user", "content": [{"type": "text", "text": f'<data from="x">\n{wide}\n</data>'}]}]

    page = readable(kept(messages=talk))

    assert '{"found": 3, "of": ["a", "b"]}' in page
    assert '    {\n      "summary": "fine"\n    }' in page
    assert max(map(len, page.splitlines())) <= 120


def test_nothing_in_it_is_obeyed_by_a_terminal_and_what_is_cut_is_counted() -> None:
    """Escape sequences and marks of direction are shown as what they are."""
    talk = [{"role": "user", "content": [{"type": "text", "text": "\x1b[2J\u202e" + "long " * 10_000}]}]

    page = readable(kept(messages=talk), characters_max=100)

    assert "\\u001b[2J\\u202e" in page
    assert "… 49,905 more characters" in page
    assert not any(c in page for c in "\x1b\u202e")


def test_odd_blocks_are_shown_as_they_are() -> None:
    """A result of a call that is not in the conversation, an error, a kind that nobody knows."""
    odd = [
        {"type": "tool_result", "tool_use_id": "toolu_9", "content": "no", "is_error": True},
        {"type": "shape", "n": 1},
    ]

    page = readable(kept(messages=[{"role": "user", "content": odd}]))

    assert "result of toolu_9, an error\n    no" in page
    assert 'to the model (shape)\n    {"type": "shape", "n": 1}' in page
