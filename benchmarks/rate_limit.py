"""How close to a provider's rate limit calls run, and how many are refused, beside a fixed limit and none at all.

    python benchmarks/rate_limit.py --json

A Messages API server on this machine allows so many requests a second by a true token bucket. 256 loops call it through
the client: with its brake, with a fixed number of calls in flight, and with no limit. The server's own meter counts.

    rate_limited_share   429s among all requests
    rate_utilization     requests that were let through, of all that the bucket allowed in that time (burst included)
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from actors.models.anthropic import AnthropicConfig, AnthropicModel
from actors.models.base import Message, ModelError, ModelRequest, Text
from actors.models.brake import Brake, Heard, Permit
from actors.models.key import Key
from support.messages_server import serving

REQUEST = ModelRequest(
    agent="bench",
    model="claude-sonnet-5-5",
    system="You are a specialist. " * 20,
    messages=(Message("user", (Text("Look at this service."),)),),
    output_tokens_max=256,
)


class Fixed(Brake):
    """So many calls in flight, whatever the provider says."""

    def __init__(self, in_flight_max: int) -> None:
        super().__init__()
        self._most = in_flight_max
        self._sent = 0

    def ask(self, now_s: float) -> Permit | float:
        if self._sent >= self._most:
            return float("inf")
        self._sent += 1
        return Permit(now_s, {})

    def answered(self, permit: Permit, now_s: float, heard: Heard) -> None:  # noqa: ARG002  (whatever it says)
        self._sent -= 1


async def run(plan: dict[str, Any], brake: Callable[[], Brake] | None, *, loops: int, for_s: float) -> dict[str, Any]:
    """What the server's meter says after `loops` have called it for `for_s`."""
    with serving(plan) as server:
        client = AnthropicModel(AnthropicConfig(base_url=server.url), Key("benchmark-key"), brake=brake)
        ends_s = time.monotonic() + for_s

        async def loop() -> None:
            while time.monotonic() < ends_s:
                with contextlib.suppress(ModelError):
                    await client.reply(REQUEST)

        tasks = [asyncio.create_task(loop()) for _ in range(loops)]
        await asyncio.sleep(for_s)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        meter = server.meter()
        await client.aclose()
    limits = plan["limits"]
    allowed = limits["requests_burst"] + limits["requests_per_s"] * for_s
    refused = meter["statuses"].get("429", 0)
    return {
        "requests": meter["requests"],
        "rate_limited_share": refused / max(1, meter["requests"]),
        "rate_utilization": meter["billed"] / allowed,
        "in_flight_max": meter["in_flight_max"],
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second that the server allows")
    parser.add_argument("--burst", type=float, default=100.0, help="size of its bucket")
    parser.add_argument("--latency-ms", type=float, default=50.0)
    parser.add_argument("--headers", default="all", choices=["all", "429", "none"])
    parser.add_argument("--retry-after", default="ceil", choices=["ceil", "exact", "none"])
    parser.add_argument("--window-s", type=float, default=None)
    parser.add_argument("--for-s", type=float, default=15.0)
    parser.add_argument("--loops", type=int, default=256)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    plan = {
        "latency_ms": {"median": given.latency_ms, "sigma": 0.4},
        "limits": {"requests_per_s": given.rate, "requests_burst": given.burst},
        "headers": given.headers,
        "retry_after": given.retry_after,
        "window_s": given.window_s,
    }
    brakes = {"adaptive": None, "fixed_50": lambda: Fixed(50), "none": lambda: Fixed(10**6)}
    rows = {
        name: asyncio.run(run(plan, brake, loops=given.loops, for_s=given.for_s))
        for name, brake in brakes.items()
        if given.only in ("", name)
    }
    if given.json:
        print(json.dumps(rows))
        return
    for name, row in rows.items():
        print(
            f"{name:10} {row['requests']:7} requests  {100 * row['rate_limited_share']:6.2f} % refused  "
            f"{100 * row['rate_utilization']:6.1f} % of the allowed rate  {row['in_flight_max']} in flight at most"
        )


if __name__ == "__main__":
    main()
