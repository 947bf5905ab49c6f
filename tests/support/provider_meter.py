"""A provider that bills by itself: an HTTP server in its own process that answers with usage, loses replies, fails.

    python tests/support/provider_meter.py        prints its URL, serves until its input ends

POST /calls  {"tokens_max": n}   bills 1 to n tokens, then answers {"tokens": t}, or hangs up: billed, and nobody knows
POST /reset  {"seed": s}         a new meter
GET  /billed                     {"tokens": t, "calls": c, "lost": l}
"""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

LOST, REFUSED = 0.15, 0.05  # shares of calls: billed but not answered; refused and not billed


class Meter:
    """What has been billed since the last reset, whatever the callers think."""

    def __init__(self) -> None:
        self.start(0)

    def start(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.tokens = self.calls = self.lost = 0

    async def call(self, request: web.Request) -> web.StreamResponse:
        tokens_max = (await request.json())["tokens_max"]
        fate = self._random.random()
        if fate < REFUSED:
            raise web.HTTPServiceUnavailable
        tokens = self._random.randint(1, tokens_max)
        self.tokens += tokens
        self.calls += 1
        await asyncio.sleep(self._random.random() * 0.02)
        if fate < REFUSED + LOST:
            self.lost += 1
            assert request.transport is not None
            request.transport.close()
        return web.json_response({"tokens": tokens})

    async def reset(self, request: web.Request) -> web.Response:
        self.start((await request.json())["seed"])
        return web.json_response({})

    async def billed(self, _: web.Request) -> web.Response:
        return web.json_response({"tokens": self.tokens, "calls": self.calls, "lost": self.lost})


@contextmanager
def provider_meter() -> Iterator[str]:
    """The URL of a meter of one's own, which ends with the block."""
    process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


async def _serve() -> None:
    meter = Meter()
    app = web.Application()
    app.add_routes(
        [
            web.post("/calls", meter.call),
            web.post("/reset", meter.reset),
            web.get("/billed", meter.billed),
        ]
    )
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    print(f"http://127.0.0.1:{port}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(_serve())
