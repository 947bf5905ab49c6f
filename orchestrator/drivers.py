"""Looks after the drivers that share a batch: starts them, gathers what they say, and replaces those that die."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from actors.accounts import driver_account
from budget import Budget
from budget.errors import AccountConflictError, BudgetError
from orchestrator.batch import Batch
from orchestrator.clockwork import STOP_GRACE_S
from orchestrator.known_outcomes import Again, Known
from orchestrator.past_holds import charge_the_dead
from orchestrator.shard_driver import Assignment, last_attempt
from orchestrator.shards import Deaths, Gathered, News, Shard, Work, replayed, share_of, used_together
from orchestrator.store import RunDirectory
from orchestrator.tally import Tally, together

log = logging.getLogger("muster.drivers")

NEWS_EVERY_S = 0.25
SILENT_S = 60.0  # a driver says something four times a second, unless its machine stands still
STOP_S = STOP_GRACE_S + 0.3  # for drivers to end in good order; all is to be over 2 s after a signal


class DriverLost(Exception):
    """A driver died, or is out of reach."""


class Hand(Protocol):
    """A driver at work, as it is reached from here."""

    async def news(self, told: int, wait_s: float) -> News:
        """As `ShardDriver.news`. Raises DriverLost, or what the driver itself raised."""
        ...

    def stop(self, why: str) -> None: ...

    def kill(self) -> None: ...


class Crew(Protocol):
    """Where drivers come from: actors of a cluster."""

    def start(self, given: Assignment) -> Hand: ...


@dataclass(slots=True)
class Drivers:
    """All drivers of one batch. `run` them to the end; `gathered` has what they have told until now."""

    batch: Batch
    work: Work
    runs_total: int
    run_dir: Path | str
    directory: RunDirectory
    crew: Crew
    budget: Budget
    gathered: Gathered
    again: Again | None = None
    progress: Callable[[Tally], None] = lambda _: None
    clock: Callable[[], float] = time.monotonic
    stopped: str = ""  # why the batch was ended early, when it was
    given_up: str = ""  # whose shards nobody has finished
    broken: bool = False
    _ends_s: float = field(init=False)
    _begun: int = 0  # the last attempt at any task before this batch was gone on with
    _stop_by_s: float = float("inf")
    _numbers: Iterator[int] = field(init=False)
    _hands: dict[int, Hand] = field(default_factory=dict)
    _heard: dict[int, News] = field(default_factory=dict)  # the last news of each shard
    _dead: defaultdict[int, list[str]] = field(default_factory=lambda: defaultdict(list))  # accounts, by shard
    _lost: list[Shard] = field(default_factory=list)  # shards that nobody works on any more

    async def run(self) -> None:
        """Run all shards to their ends: every run has a record then. Raises what a driver raised."""
        count = self.batch.settings.drivers
        self._ends_s = self.clock() + (self.batch.settings.batch_deadline_s or float("inf"))
        self._numbers = itertools.count(self.directory.count_segments())
        self._begun = 0 if self.again is None else await asyncio.to_thread(last_attempt, self.directory)
        follow = [asyncio.ensure_future(self._follow(Shard(n, count, self.runs_total))) for n in range(count)]
        done, rest = await asyncio.wait(follow, return_when=asyncio.FIRST_EXCEPTION)
        failed = next((error for one in done if (error := one.exception())), None)
        if failed is not None:
            self.stop(f"a driver failed: {failed}")
            await asyncio.gather(*rest, return_exceptions=True)
            raise failed
        await self._settle_up()
        if self.stopped:
            self._name_what_never_began(await asyncio.to_thread(self._known, Shard()))

    def stop(self, why: str) -> None:
        """End the batch early: nothing further starts, what runs is cancelled, and what is there is kept."""
        if not self.stopped:
            self.stopped = why
            self._stop_by_s = self.clock() + STOP_S
            for hand in self._hands.values():
                hand.stop(why)

    async def _follow(self, shard: Shard) -> None:
        """One shard, from its first driver to its last."""
        deaths, more = Deaths(), True
        while more and not self.stopped:
            given = await self._assignment(shard)
            hand = self._hands[shard.number] = self.crew.start(given)
            try:
                if await self._listen(shard, hand):
                    await self._closed(given.batch.account)
                    return
            except DriverLost as error:
                more = deaths.one_more(self._heard.get(shard.number, News()).tally.runs_finished)
                log.warning("driver lost shard=%s of=%s error=%s", shard.number, shard.of, error)
            finally:
                hand.kill()
                del self._hands[shard.number]
            self._dead[shard.number].append(given.batch.account)
            await self._closed(given.batch.account)  # hosts of it that still live can hold nothing more
        self._lost.append(shard)
        if not more:
            self.given_up = f"driver {shard.number + 1} of {shard.of} died {deaths.in_a_row} times in a row"

    async def _listen(self, shard: Shard, hand: Hand) -> bool:
        """What a driver says, until it has ended. False when it does not within the time that stopping has."""
        told = 0
        while self.clock() < self._stop_by_s:
            news = await self._news(hand, told)
            if news is None:
                return False
            told += len(news.records)
            self.gathered.records.update(news.records)
            self._heard[shard.number] = news
            self.progress(together(heard.shown for heard in self._heard.values()))
            self.broken |= news.broken
            if news.stopped:
                self.stop(news.stopped)
            if news.ended:
                return True
        return False

    async def _news(self, hand: Hand, told: int) -> News | None:
        """Raises DriverLost also for a driver that says nothing. None when that is no matter any more."""
        asked_s = self.clock()
        news = asyncio.ensure_future(hand.news(told, NEWS_EVERY_S))
        while not news.done():
            await asyncio.wait([news], timeout=NEWS_EVERY_S)
            if not news.done() and min(asked_s + SILENT_S, self._stop_by_s) < self.clock():
                news.cancel()
                if self.stopped:
                    return None
                raise DriverLost(f"it has said nothing for {SILENT_S:g} s")
        return news.result()

    async def _assignment(self, shard: Shard) -> Assignment:
        number = await self._opened()
        left_s = self._ends_s - self.clock()
        settings = share_of(
            self.batch.settings, shard, batch_deadline_s=None if left_s == float("inf") else max(0.01, left_s)
        )
        return Assignment(
            batch=replace(self.batch, driver=number, drivers=shard.of, settings=settings, telemetry=None),
            number=number,
            shard=shard,
            work=self.work,
            run_dir=self.run_dir,
            again=self.again,
            begun=self._begun,
            dead=tuple(self._dead[shard.number]),
        )

    async def _opened(self) -> int:
        """The number of a new account below the batch's."""
        while True:
            number = next(self._numbers)
            try:
                await self.budget.open(driver_account(self.batch.id, number), parent=self.batch.id, alert_percents=())
            except AccountConflictError:
                continue
            return number

    async def _settle_up(self) -> None:
        """What drivers that ended have told is counted; what the others have left is read, and the books are closed."""
        lost = {shard.number for shard in self._lost}
        parts = [Gathered({}, news.tally, news.use) for number, news in self._heard.items() if number not in lost]
        for shard in self._lost:
            known = await asyncio.to_thread(self._known, shard)
            parts.append(replayed(self.work.runs(shard), known, self.work))
            await self._charged(shard, known)
        for part in parts:
            self.gathered.records.update(part.records)
        self.gathered.tally = together(part.tally for part in parts)
        self.gathered.use = used_together(part.use for part in parts)

    def _known(self, shard: Shard) -> Known:
        own = {run.id for run in self.work.runs(shard)}
        return Known.of(self.directory.outcomes(), runs=own)

    async def _charged(self, shard: Shard, known: Known) -> None:
        """What the drivers of a shard that nobody took over had held."""
        for account in self._dead[shard.number]:
            await self._in_time(charge_the_dead(self.budget, account, known))

    async def _closed(self, account: str) -> None:
        await self._in_time(self.budget.close(account))

    async def _in_time(self, said: Awaitable[object]) -> None:
        """Whatever it is, a batch that is to stop does not wait for it long."""
        try:
            async with asyncio.timeout(STOP_GRACE_S if self.stopped else None):
                await said
        except (BudgetError, TimeoutError) as error:
            log.warning("the budget's books are not closed: %s", error or "no answer")

    def _name_what_never_began(self, known: Known) -> None:
        """Runs that no driver came to, with what an earlier attempt has left of them."""
        records = self.gathered.records
        left = replayed([run for run in self.work.runs(Shard()) if run.id not in records], known, self.work)
        records.update(left.records)
        self.gathered.tally = together([self.gathered.tally, left.tally])
        self.gathered.use.merge(left.use)
