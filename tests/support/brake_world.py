"""A provider with a rate limit and hosts that call it, on a virtual clock: the brake's own test track. Pure."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from actors.models.brake import Brake, Heard, Permit, Signal
from actors.models.pace import Told


@dataclass
class Provider:
    """A token bucket, or windows of `window_s`. `headers`: "all", "429" or "none"; `counts_at`: "arrival" or "end"."""

    rate_per_s: float
    burst: float
    headers: str = "all"
    counts_at: str = "arrival"
    retry_after: str = "ceil"
    window_s: float | None = None
    fickle: float = 0.0  # the share of calls that are refused whatever the pace
    level: float = field(init=False)
    at_s: float = 0.0
    chance: random.Random = field(default_factory=lambda: random.Random(1))

    def __post_init__(self) -> None:
        self.level = self.burst

    def refill(self, now_s: float) -> None:
        if self.window_s is not None:
            if int(now_s / self.window_s) > int(self.at_s / self.window_s):
                self.level = self.burst
        else:
            self.level = min(self.burst, self.level + (now_s - self.at_s) * self.rate_per_s)
        self.at_s = now_s

    def take(self, now_s: float) -> bool:
        self.refill(now_s)
        if self.level < 1 or self.chance.random() < self.fickle:
            return False
        self.level -= 1
        return True

    def full_in_s(self, now_s: float) -> float:
        if self.window_s is not None:
            return self.window_s - now_s % self.window_s
        return (self.burst - self.level) / self.rate_per_s

    def told(self, now_s: float) -> Told:
        reset_at_s = math.ceil(now_s + self.full_in_s(now_s))  # as RFC 3339 in whole seconds
        return Told(float(int(self.burst)), float(int(self.level)), reset_at_s - now_s)


@dataclass
class Count:
    sent: int = 0
    refused: int = 0
    let_through: int = 0
    refused_at_s: list[float] = field(default_factory=list)
    answered_at_s: list[float] = field(default_factory=list)

    def answered_between(self, from_s: float, to_s: float) -> int:
        return sum(from_s <= at_s < to_s for at_s in self.answered_at_s)


def never(_: int, __: float) -> bool:
    """No call hangs."""
    return False


def drive(
    provider: Provider,
    brakes: list[Brake],
    *,
    for_s: float,
    loops: int = 256,
    latency_s: Callable[[random.Random], float] = lambda chance: 0.05 * math.exp(chance.gauss(0, 0.4)),
    hangs: Callable[[int, float], bool] = never,
    gives_up_s: float = float("inf"),
    seed: int = 0,
) -> Count:
    """Every brake belongs to a host in which `loops` sessions call without pause, for `for_s` seconds.

    `hangs` says whether a call, by its number and the second in which it is sent, gets no answer; its session gives it
    up after `gives_up_s`.
    """
    chance, count, serial = random.Random(seed), Count(), 0
    waiting = [loops for _ in brakes]
    woken_at_s = [float("inf") for _ in brakes]  # the next alarm of each host; earlier ones are void
    events: list[tuple[float, int, str, int, Permit | None, Heard | None]] = []

    def push(at_s: float, kind: str, host: int, permit: Permit | None = None, heard: Heard | None = None) -> None:
        nonlocal serial
        serial += 1
        heapq.heappush(events, (at_s, serial, kind, host, permit, heard))

    def admit(host: int, now_s: float) -> None:
        while waiting[host]:
            permit = brakes[host].ask(now_s)
            if not isinstance(permit, Permit):
                if permit != float("inf"):
                    woken_at_s[host] = now_s + permit * (1 + 0.1 * chance.random())
                    push(woken_at_s[host], "wake", host)
                return
            waiting[host] -= 1
            send(host, permit, now_s)

    def send(host: int, permit: Permit, now_s: float) -> None:
        count.sent += 1
        arrives_s = now_s + 0.0005
        if hangs(count.sent, now_s):
            push(now_s + gives_up_s, "given up", host, permit, Heard(signal=Signal.NOTHING))
            return
        if provider.take(arrives_s):
            count.let_through += 1
            ends_s = arrives_s + latency_s(chance)
            told = {"requests": provider.told(arrives_s)} if provider.headers == "all" else {}
            push(ends_s, "answer", host, permit, Heard(signal=Signal.FINE, told=told))
            return
        count.refused += 1
        count.refused_at_s.append(now_s)
        wait_s = (
            provider.full_in_s(arrives_s) if provider.window_s else max(0.0, 1 - provider.level) / provider.rate_per_s
        )
        after_s = {"ceil": float(math.ceil(wait_s)), "exact": wait_s, "none": None}[provider.retry_after]
        told = {"requests": provider.told(arrives_s)} if provider.headers != "none" else {}
        heard = Heard(signal=Signal.RATE_LIMITED, told=told, retry_after_s=after_s, random01=chance.random())
        push(arrives_s + 0.001, "refusal", host, permit, heard)

    for host in range(len(brakes)):
        push(0.0, "wake", host)
    while events:
        now_s, _, kind, host, permit, heard = heapq.heappop(events)
        if now_s > for_s:
            break
        if kind == "wake" and 0 < now_s != woken_at_s[host]:
            continue
        if kind == "back":
            waiting[host] += 1
        elif permit is not None and heard is not None:
            if kind == "answer" and provider.counts_at == "end" and heard.told:
                provider.refill(now_s)
                heard = Heard(signal=heard.signal, told={"requests": provider.told(now_s)})
            brakes[host].answered(permit, now_s, heard)
            if kind == "answer":
                count.answered_at_s.append(now_s)
            if kind == "refusal":  # the call itself backs off
                push(now_s + (heard.retry_after_s or 0.0) + 0.5 * chance.random(), "back", host)
            else:
                waiting[host] += 1
        admit(host, now_s)
    return count
