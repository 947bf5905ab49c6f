"""The driver's machine for time: what is due, and when."""

from __future__ import annotations

from orchestrator.clockwork import (
    EXPIRE_AGAIN_S,
    NEVER_S,
    PLACED_S,
    STOP_GRACE_S,
    Admitted,
    AskWhere,
    Begun,
    ChargeAgain,
    Clockwork,
    EndBatch,
    EndRun,
    GiveUp,
    HostGone,
    HostIsReady,
    HostStarted,
    RunCancelled,
    Stopped,
    Tick,
)


def test_a_batch_ends_once_when_its_time_is_up():
    """The batch's last run begins later, and has what is left of the same time."""
    clockwork = Clockwork(batch_deadline_s=10.0)
    clockwork.step(Begun(0.0))
    clockwork.step(Begun(9.0))

    in_time = clockwork.step(Tick(10.0))
    late = clockwork.step(Tick(10.1))
    after = clockwork.step(Tick(20.0))

    assert (in_time, late, after) == ([], [EndBatch()], [])


def test_each_run_has_its_own_time():
    """Counted from when it was admitted, so that runs which wait their turn lose nothing."""
    clockwork = Clockwork(run_deadline_s=5.0)
    clockwork.step(Admitted(["a", "b"], 0.0))
    clockwork.step(Admitted(["c"], 3.0))

    assert clockwork.due_s == 5.0
    assert clockwork.step(Tick(5.1)) == [EndRun("a"), EndRun("b")]
    assert clockwork.step(Tick(7.9)) == []
    assert clockwork.step(Tick(8.1)) == [EndRun("c")]
    assert clockwork.due_s == NEVER_S


def test_what_was_cancelled_and_not_answered_is_given_up():
    """Of a run once; of everything, again and again until nothing is open."""
    clockwork = Clockwork()
    clockwork.step(RunCancelled("a", 1.0))
    clockwork.step(Stopped(2.0))
    clockwork.step(Stopped(3.0))

    assert clockwork.step(Tick(1.0 + STOP_GRACE_S + 0.1)) == [GiveUp("a")]
    assert clockwork.step(Tick(2.0 + STOP_GRACE_S + 0.1)) == [GiveUp()]
    assert clockwork.step(Tick(2.0 + STOP_GRACE_S + 0.2)) == [GiveUp()]


def test_a_batch_that_was_stopped_does_not_also_pass_its_deadline():
    """Why it ended is said once, by whoever came first."""
    clockwork = Clockwork(batch_deadline_s=10.0)
    clockwork.step(Begun(0.0))
    clockwork.step(Stopped(9.0))

    assert EndBatch() not in clockwork.step(Tick(11.0))


def test_a_host_that_is_gone_is_charged_for_once_more():
    """What it had said with its last breath may arrive after the first charge."""
    clockwork = Clockwork()
    clockwork.step(HostGone("host-1", 0.0))

    assert clockwork.step(Tick(EXPIRE_AGAIN_S)) == []
    assert clockwork.step(Tick(EXPIRE_AGAIN_S + 0.1)) == [ChargeAgain("host-1")]
    assert clockwork.step(Tick(100.0)) == []


def test_a_host_that_does_not_come_is_asked_about_now_and_then():
    """Until it is ready, or gone."""
    clockwork = Clockwork()
    clockwork.step(HostStarted("slow-1", 0.0))
    clockwork.step(HostStarted("quick-2", 0.0))
    clockwork.step(HostStarted("dead-3", 0.0))
    clockwork.step(HostIsReady("quick-2"))
    clockwork.step(HostGone("dead-3", 1.0))

    first = clockwork.step(Tick(PLACED_S + 0.1))
    second = clockwork.step(Tick(2 * PLACED_S + 0.2))
    clockwork.step(HostIsReady("slow-1"))

    assert first == [AskWhere("slow-1")]
    assert AskWhere("slow-1") in second
    assert clockwork.step(Tick(100.0)) == []
