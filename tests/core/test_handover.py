"""Who is asked for a call, and what follows on a lost attempt: the same model, the next one, or nobody."""

from __future__ import annotations

from dataclasses import replace

from actors.models.base import Message, ModelRequest, Text
from actors.models.call import Call
from actors.models.chain import Chain
from actors.models.handover import AskNext, Handover
from actors.models.retry import Fault, FaultKind, GiveUp, Retry, RetryPolicy

FIRST, SECOND = "claude-sonnet-5-5", "claude-haiku-5-5"
TURNS = tuple(Message("user", (Text(text),)) for text in ("Look at this service.", "Go on."))
DOWN = Fault(kind=FaultKind.SERVER_ERROR, message="status 500", transient=True, billed_tokens=0)


def handover(*, attempts_max: int = 4, patience_s: float | None = None, **policy: int) -> Handover:
    return Handover(Chain({FIRST: SECOND}, patience_s), RetryPolicy(attempts_max=attempts_max, **policy))


def request(*, turns: int = 1, run_id: str = "run-1") -> ModelRequest:
    return ModelRequest(agent="a", model=FIRST, system="", messages=TURNS[:turns], run_id=run_id)


def a_call(*, attempts: int = 1, model: str = FIRST) -> Call:
    return Call(request(), model, b"{}", 100, stream=False, attempts=attempts)


def test_a_model_that_is_down_is_asked_for_its_part_of_the_attempts_and_then_the_next():
    """Two of four attempts each: the first one lost is tried again, the second one is the other model's affair."""
    over = handover(attempts_max=4)

    again = over.after(a_call(attempts=1), DOWN, now_s=0.0, random01=0.5)
    beyond = over.after(a_call(attempts=2), DOWN, now_s=0.0, random01=0.5)

    assert again == Retry(0.25)
    assert beyond == AskNext(SECOND)


def test_a_model_that_asks_to_wait_beyond_its_time_hands_over_at_once():
    """Ten seconds are its own; a wait of nine, four seconds on, leaves it none of them."""
    over = handover(patience_s=10.0)
    patient = replace(DOWN, retry_after_s=5.0)

    assert isinstance(over.after(a_call(), patient, now_s=4.0, random01=0.5), Retry)
    assert over.after(a_call(), replace(DOWN, retry_after_s=9.0), now_s=4.0, random01=0.5) == AskNext(SECOND)


def test_to_go_on_with_another_model_is_a_retry_of_the_run():
    """A run that has used its retries is given up, whoever might be asked."""
    over = handover(attempts_max=2, retries_per_run_max=1)

    first, second = (over.after(a_call(), DOWN, now_s=0.0, random01=0.5) for _ in range(2))

    assert first == AskNext(SECOND)
    assert second == GiveUp("run 'run-1' has used its 1 retries")


def test_a_session_goes_on_with_whom_it_was_handed_to_and_a_new_one_begins_with_its_own():
    """What a session's first turns were answered by, answers its later ones; others are none the wiser."""
    over = handover()
    over.handed(request(), SECOND)

    assert over.first(request(turns=2)) == SECOND
    assert over.first(request(turns=1)) == FIRST
    assert over.first(request(turns=2, run_id="run-2")) == FIRST


def test_behind_the_last_model_there_is_nobody():
    """The one that stands in is tried as often as attempts are left, and then the call is given up."""
    over = handover(attempts_max=4)
    last = a_call(attempts=4, model=SECOND)

    assert over.following(last) is None
    assert over.after(last, DOWN, now_s=0.0, random01=0.5) == GiveUp("attempt 4 of 4")
