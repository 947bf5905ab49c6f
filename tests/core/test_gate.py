"""The gate: sessions of several hosts behind one brake, first come first served."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from actors.models.brake import Brake, Heard, Permit, Signal
from actors.models.gate import Gate

FINE = Heard(signal=Signal.FINE)


class Clock:
    """A clock that is set by hand."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def narrow_gate(clock: Clock, *, limit: int = 2) -> Gate:
    """A gate whose brake lets `limit` through at once and, as it is never used fully, grows no further."""

    class Narrow(Brake):
        def ask(self, now_s: float) -> Permit | float:
            return 1e6 if self.in_flight >= limit else super().ask(now_s)

    return Gate(Narrow(), clock=clock, random01=lambda: 0.0)


async def turn() -> None:
    """Let everybody else go on as far as they can."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_every_session_has_its_turns_whatever_host_it_is_of():
    """One host with thirty sessions, one with two: no session has a second turn before all others had their first."""
    clock, turns, rounds = Clock(), Counter[str](), []
    gate = narrow_gate(clock)

    async def session(name: str) -> None:
        while True:
            permit = await gate.enter()
            turns[name] += 1
            rounds.append(max(turns.values()) - min(turns[other] for other in names))
            clock.now_s += 0.01
            await asyncio.sleep(0)
            gate.leave(permit, FINE)

    names = [f"big-{n}" for n in range(30)] + [f"small-{n}" for n in range(2)]

    async def main() -> None:
        tasks = [asyncio.create_task(session(name)) for name in names]
        while sum(turns.values()) < 640:
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())

    assert len(turns) == 32
    assert max(rounds) <= 1


def test_who_is_cancelled_gives_the_place_up_to_the_next():
    """In the queue as well as when the permit was given in the same turn of the loop."""
    clock = Clock()
    gate = narrow_gate(clock, limit=1)

    async def main() -> int:
        first = await gate.enter()
        second, third, fourth = (asyncio.create_task(gate.enter()) for _ in range(3))
        await turn()
        second.cancel()
        await turn()
        gate.leave(first, FINE)  # admits the third ...
        third.cancel()  # ... which goes away before it knows
        permit = await fourth
        gate.leave(permit, FINE)
        return gate.brake.in_flight

    assert asyncio.run(main()) == 0


@pytest.mark.parametrize("hanging", [1, 5])
def test_sessions_that_hang_do_not_hold_up_those_of_other_hosts(hanging):
    """The first calls of one host hang; as soon as one of another is answered, all others have their turns."""
    clock = Clock()
    gate = Gate(Brake(), clock=clock, random01=lambda: 0.0)

    async def main() -> int:
        stuck = [asyncio.create_task(gate.enter()) for _ in range(hanging)]
        others = [asyncio.create_task(gate.enter()) for _ in range(8)]
        answered = 0
        for _ in range(100):
            await turn()
            for task in [task for task in others if task.done()]:
                others.remove(task)
                clock.now_s += 0.05
                gate.leave(task.result(), FINE)
                answered += 1
            clock.now_s += 0.5
            if others:
                gate._admit()  # what the timer does
        for task in stuck:
            gate.leave(task.result(), Heard(signal=Signal.NOTHING))
        return answered

    assert asyncio.run(main()) == 8
