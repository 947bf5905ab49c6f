"""What `muster show RUN_DIR TASK` says of an attempt: how it ended, what to do, what it took, and what came of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from actors.contracts import Failure, Reason, Result, Span, Usage, Work
from actors.tables import outcome_batch, task_batch
from jobs.task_page import ADVICE, task_page
from support.tasks import a_task

USED = {"gen_ai.usage.input_tokens": 1200, "gen_ai.usage.output_tokens": 30}
CHAT = json.dumps({**USED, "muster.faults": ["reset"], "muster.attempts": 2})
LOOK = json.dumps({"muster.watchdog.tokens": 500})
WORK = Work(
    model="m",
    usage=Usage(1_200, 30, 900, 0),
    spent_tokens=2_230,
    cost_microusd=14_178,
    model_calls=2,
    tool_calls=1,
    host="look-1",
    queued_ms=20.0,
    started_at_s=1_000_000.0,
    elapsed_ms=9_000.0,
    spans=(
        Span("chat m", 1_000_000.0, 1_000_001.5, "", CHAT),
        Span("execute_tool look", 1_000_001.5, 1_000_002.0, "no such\n\x1b[2Jfile"),
        Span("chat small", 1_000_002.0, 1_000_002.5, "", LOOK),
    ),
)


def row_of(**changes: Any) -> dict[str, Any]:
    """A row of the outcome table, as it is read: a timeout unless something else is said."""
    said = {"task_id": "cart/look", "run_id": "cart", "agent": "look", "attempt": 2, "work": WORK, **changes}
    if "answer" in said:
        return outcome_batch([Result(**said)]).to_pylist()[0]
    failed = {"reason": Reason.TIMEOUT, "message": "no answer within 9 s (deadline of the task)", **said}
    return outcome_batch([Failure(**failed)]).to_pylist()[0]


def page_of(row: dict[str, Any], *, conversation: bool = False) -> str:
    (asked,) = task_batch([a_task(objective="Look at the cart.", tokens_max=20_000)]).to_pylist()
    return task_page(row, asked, again="muster retry runs/a --failed-only", conversation=conversation)


def test_the_head_says_how_it_ended_and_what_to_do() -> None:
    """Reason, message and the command, before anything else."""
    lines = page_of(row_of()).splitlines()

    assert lines[0] == "task       cart/look, attempt 2"
    assert lines[1] == "by         look with m on look-1"
    assert lines[2] == "ended      timeout: no answer within 9 s (deadline of the task)"
    assert lines[3].startswith("do         see what took the time")
    assert lines[3].endswith("then `muster retry runs/a --failed-only`")


@pytest.mark.parametrize("reason", Reason)
def test_each_reason_has_its_advice(reason: Reason) -> None:
    """None is left without a next step."""
    assert f"do         {ADVICE[reason]}; then `muster retry runs/a --failed-only`" in page_of(row_of(reason=reason))


def test_tokens_are_told_apart_by_what_they_were_for() -> None:
    """What was seen, what the watchdog's model took, what was lost; and the time is a date."""
    page = page_of(row_of())

    assert (
        "spent      2,230 tokens, $0.0142: 1,200 in (900 read from the cache, 0 written), 30 out, "
        "500 for looks of the watchdog model, up to 500 for replies that never came"
    ) in page
    assert "took       9.00 s from 1970-01-12 13:46:40Z on, after 0.02 s in line" in page
    assert "calls      2 model calls, 1 tool call" in page
    assert "at most    20,000 tokens" in page


def test_a_price_that_is_unknown_is_not_nothing() -> None:
    """None is not zero."""
    assert "2,230 tokens, at a price that is unknown: " in page_of(row_of(work=WORK._replace(cost_microusd=None)))


def test_each_step_has_a_line_and_so_has_what_was_under_way() -> None:
    """When, how long, what, and what went wrong, on one line whatever the error says."""
    page = page_of(row_of())

    assert "    0.00 s    1.50 s  model m; 1,200 tokens in, 30 out; attempt 2 after reset" in page
    assert "    1.50 s    0.50 s  tool look; failed: no such \\u001b[2Jfile" in page
    assert "    2.00 s    0.50 s  watchdog model small" in page
    assert "    2.50 s    6.50 s  what was under way when the session ended" in page


def test_what_was_found_is_laid_out_piece_by_piece() -> None:
    """Whoever acts on it need not read JSON inside of JSON; secrets and control characters are not passed on."""
    found = [
        {"from": "look", "content": '{"carts":3,"of":["a"]}'},
        {"from": "answer", "content": "api_key=sk1234567890abcdef and \x1b]0;title\x07"},
    ]

    page = page_of(row_of(found=found))

    assert '  from     look\n    {\n      "carts": 3,\n      "of": [\n        "a"\n      ]\n    }' in page
    assert "sk1234567890abcdef" not in page
    assert "\x1b" not in page
    assert "\\u001b]0;title\\u0007" in page


def test_a_conversation_that_follows_is_not_said_twice() -> None:
    """What was asked and what was found stand in it."""
    row = row_of(found=[{"from": "look", "content": "three carts"}])

    assert "Look at the cart." in page_of(row)
    assert "Look at the cart." not in page_of(row, conversation=True)
    assert "found      in the conversation below" in page_of(row, conversation=True)


def test_an_answer_stands_line_by_line_with_its_citations_that_are_not_there() -> None:
    """And nothing is advised, nothing under way: it ended well."""
    page = page_of(row_of(answer=json.dumps({"n": 3}), unresolved=("incident:9",)))

    assert "ended      answered" in page
    assert 'answer\n    {\n      "n": 3\n    }' in page
    assert "not found  citations that their source does not hold: incident:9" in page
    assert "\ndo " not in page
    assert "under way" not in page


def test_a_task_that_never_began_has_no_times() -> None:
    """1970 is no answer."""
    page = page_of(row_of(reason=Reason.BUDGET_SKIP, message="nothing is free", work=Work()))

    assert "took       nothing: it never began" in page
    assert "1970" not in page
    assert "steps" not in page
