"""Calls per second over HTTP: this client beside the official SDK's own loop, on its two transports, and bare aiohttp.

    python benchmarks/http_client.py --json

Each row is a plain asyncio loop with 256 calls in flight against a Messages API server on this machine, in a process
of its own. `calls_per_s` is by the clock, `calls_per_cpu_s` by the client's own processor time: that does not depend on
what else the machine does. `ratio_over_sdk_loop_*` compares this client, all its parts on, to the SDK's defaults.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import aiohttp
import anthropic
import httpx2

from actors.models.anthropic import AnthropicConfig
from actors.models.base import Message, ModelRequest, Text, ToolSpec
from actors.models.wire import request_body
from support.messages_server import serving

IN_FLIGHT = 256
WARM_UP = 600
KEY = "benchmark-key"
PARAMETERS = {
    "type": "object",
    "properties": {"query": {"type": "string"}},
    "required": ["query"],
    "additionalProperties": False,
}
REQUEST = ModelRequest(
    agent="bench",
    model="claude-sonnet-5-5",
    system="You are a specialist. " * 60,
    messages=(Message("user", (Text("Audit the service svc-1. " * 10),)),),
    tools=tuple(ToolSpec(f"tool_{n}", "Looks something up in the source. " * 6, PARAMETERS) for n in range(4)),
    output_tokens_max=1024,
)
BODY = request_body(REQUEST, REQUEST.model, stream=False, cache_ttl="5m")

Call = Callable[[], Awaitable[Any]]


@asynccontextmanager
async def sdk_loop(url: str) -> AsyncIterator[Call]:
    """The SDK as it comes."""
    async with anthropic.AsyncAnthropic(api_key=KEY, base_url=url) as client:
        arguments = json.loads(BODY)
        yield lambda: client.messages.create(**arguments)


@asynccontextmanager
async def sdk_aiohttp(url: str) -> AsyncIterator[Call]:
    """The SDK on its own aiohttp transport."""
    http = anthropic.DefaultAioHttpClient()
    async with anthropic.AsyncAnthropic(api_key=KEY, base_url=url, http_client=http) as client:
        arguments = json.loads(BODY)
        yield lambda: client.messages.create(**arguments)


@asynccontextmanager
async def sdk_raw(url: str) -> AsyncIterator[Call]:
    """The same without typed objects, tracing and retries."""
    http = anthropic.DefaultAioHttpClient()
    async with anthropic.AsyncAnthropic(
        api_key=KEY, base_url=url, http_client=http, max_retries=0, open_telemetry=False
    ) as client:

        async def call() -> Any:
            return json.loads((await client.post("/v1/messages", cast_to=httpx2.Response, content=BODY)).content)

        yield call


@asynccontextmanager
async def this_client(url: str) -> AsyncIterator[Call]:
    """AnthropicModel: retries, brake, breaker, bill and span attributes on."""
    client = AnthropicConfig(base_url=url).client({"ANTHROPIC_API_KEY": KEY})
    yield lambda: client.reply(REQUEST)
    await client.aclose()


@asynccontextmanager
async def bare_aiohttp(url: str) -> AsyncIterator[Call]:
    """The floor: bytes out, JSON in."""
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def call() -> Any:
            async with session.post(f"{url}/v1/messages", data=BODY, headers=headers) as response:
                return json.loads(await response.read())

        yield call


ROWS = {row.__name__: row for row in (sdk_loop, sdk_aiohttp, sdk_raw, this_client, bare_aiohttp)}


async def in_flight(call: Call, count: int) -> None:
    numbers = iter(range(count))

    async def loop() -> None:
        for _ in numbers:
            await call()

    await asyncio.gather(*(loop() for _ in range(IN_FLIGHT)))


async def measured(row: str, url: str, count: int) -> dict[str, float]:
    async with ROWS[row](url) as call:
        await in_flight(call, WARM_UP)
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        await in_flight(call, count)
        return {
            "calls_per_s": count / (time.perf_counter() - wall_s),
            "calls_per_cpu_s": count / (time.process_time() - cpu_s),
        }


def in_own_process(row: str, latency_ms: float, count: int) -> dict[str, float]:
    """One row with a server and a client process of its own, so that no row warms up another's."""
    with serving({"latency_ms": latency_ms}) as server:
        command = [sys.executable, __file__, "--row", row, "--url", server.url, "--count", str(count)]
        done = subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PYTHONWARNINGS": "ignore"})
    return dict(json.loads(done.stdout))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--count", type=int, default=2_000)
    parser.add_argument("--row", choices=sorted(ROWS), help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.row:
        print(json.dumps(asyncio.run(measured(given.row, given.url, given.count))))
        return
    found: dict[str, Any] = {}
    for latency_ms in (0, 50):
        rows = {row: in_own_process(row, latency_ms, given.count) for row in ROWS}
        found[f"{latency_ms}ms"] = rows
        for by in ("calls_per_s", "calls_per_cpu_s"):
            name = f"ratio_over_sdk_loop_{latency_ms}ms" + ("_cpu" if by == "calls_per_cpu_s" else "")
            found[name] = rows["this_client"][by] / rows["sdk_loop"][by]
    if given.json:
        print(json.dumps(found))
        return
    for latency_ms in (0, 50):
        for row, figures in found[f"{latency_ms}ms"].items():
            print(
                f"{latency_ms:3} ms  {row:13} {figures['calls_per_s']:7.0f}/s  {figures['calls_per_cpu_s']:7.0f}/CPU s"
            )
        print(f"{latency_ms:3} ms  this client over the SDK's loop: {found[f'ratio_over_sdk_loop_{latency_ms}ms']:.1f}")


if __name__ == "__main__":
    main()
