"""Sub-agents per second over HTTP, beside a plain loop over the official SDK at the same concurrency, in one run.

    python benchmarks/http.py --json

A sub-agent calls the model, runs the tool that it asks for, calls it again, and has its answer checked. The plain loop
does no more than that: the SDK as it comes, 256 of them in flight in one process. Muster does it with all of it on:
embedded Ray with two hosts, ledger, durable outcomes, spans, retries, brake and breaker. A Messages API server in a
process of its own answers both; it shares the machine's cores with them. Both are measured in turn, `--rounds` times,
and the medians are compared. Rates are steady ones: the first fifth of each measurement is not counted. What a rate
limit lets through is counted from the first request on, with the seconds in which the limit is found out. All of it
takes about two minutes on two idle cores; `--rounds 3 --count 8000` takes four, and has less chance in it.

    ratio_over_sdk_loop_0ms, _50ms   Muster's sub-agents a second over the loop's, at that latency of the server
    rate_limited_share               429s among all requests, where the server allows 100 requests a second
    rate_utilization                 requests that were let through, of all that it allowed in that time
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

# ruff: noqa: E402
# This file's name is also that of a standard module: its folder must not be searched, here or in Ray's processes.
HERE = Path(__file__).resolve().parent
sys.path[:] = [str(HERE.parent / "tests"), *(path for path in sys.path if Path(path).resolve() != HERE)]
sys.argv[0] = str(HERE.parent / "benchmark")  # Ray has its processes search the folder of this

import anthropic
from pydantic import BaseModel

from actors.assembly import role_of
from actors.models.anthropic import AnthropicConfig
from actors.models.base import ModelClient
from actors.models.offline import OFFLINE
from actors.specialists.base import Resources, Specialist
from actors.tools.base import tool
from orchestrator.batch import Batch
from orchestrator.batch_run import run_batch
from orchestrator.patterns import FanOut
from orchestrator.runs import Run, State
from orchestrator.settings import Settings
from orchestrator.store import RunDirectory
from orchestrator.telemetry import Telemetry
from support.messages_server import serving

IN_FLIGHT = 256
PER_RUN = 4
MODEL = "claude-sonnet-5-5"
KEY = "benchmark-key"
NOT_COUNTED = 0.2  # the share of a measurement that warms up
RATE_PER_S = 100.0


class Noted(BaseModel):
    text: str


@tool
async def look(query: str = "") -> str:
    """Looks something up in the source that this sub-agent was given."""
    return f"three rows about {query}"


NOTER = Specialist(
    name="noter",
    purpose="Notes what the source says.",
    prompt="Look once, then answer with a note. Claim only what the data shows. " * 10,
    output=Noted,
    tools=(look,),
    resources=Resources(num_cpus=0.5, sessions_max=IN_FLIGHT),
    output_tokens_max=1_024,
)


def client(url: str, _: Specialist) -> ModelClient:
    os.environ.setdefault("ANTHROPIC_API_KEY", KEY)
    return AnthropicConfig(base_url=url).client()


def runs(count: int) -> Iterator[Run]:
    for number in range(count // PER_RUN):
        run_id = f"run-{number:05d}"
        tasks = [
            NOTER.task(f"{run_id}/{n}", f"Audit service {run_id}-{n}. " * 8, run_id=run_id, deadline_s=120.0)
            for n in range(PER_RUN)
        ]
        yield Run(id=run_id, pattern=FanOut(tuple(tasks)))


async def muster(url: str, count: int, folder: Path) -> dict[str, float]:
    """Muster's rate over `count` sub-agents."""
    ended_s: list[float] = []

    def finished(_: Run, state: State) -> None:
        ended_s.extend([time.perf_counter()] * len(state.outcomes))

    settings = Settings(mode="embedded", model=MODEL, sessions_max=IN_FLIGHT, hosts_per_agent=2, tokens_max=10**12)
    batch = Batch(
        id="bench", specialists=[NOTER], model=partial(client, url), settings=settings, telemetry=Telemetry("bench")
    )
    directory = RunDirectory.create(folder / "run", manifest={})
    ending = await run_batch(batch, runs(count), directory, finished=finished)
    assert ending.tally.succeeded == count, ending.tally.statuses
    return {"rate": steady(ended_s)}


async def sdk_loop(url: str, count: int, _: Path) -> dict[str, float]:
    """The plain loop's rate: as somebody would write it in an afternoon, without limits, retries beyond the SDK's, or
    anything kept."""
    role = role_of(NOTER, OFFLINE)
    tools = [{"name": t.name, "description": t.description, "input_schema": dict(t.parameters)} for t in role.tools]
    common: dict[str, Any] = {
        "model": MODEL,
        "max_tokens": NOTER.output_tokens_max,
        "system": role.system,
        "tools": tools,
        "output_config": {"format": {"type": "json_schema", "schema": role.output_schema}},
    }
    ended_s: list[float] = []
    numbers = iter(range(count))

    async def loop(api: anthropic.AsyncAnthropic) -> None:
        for number in numbers:
            messages: list[Any] = [{"role": "user", "content": f"Audit service run-{number:05d}. " * 8}]
            reply = await api.messages.create(messages=messages, **common)
            calls = [block for block in reply.content if block.type == "tool_use"]
            results = [
                {"type": "tool_result", "tool_use_id": c.id, "content": await look.function(**dict(c.input))}  # type: ignore[misc]
                for c in calls
            ]
            messages += [{"role": "assistant", "content": reply.content}, {"role": "user", "content": results}]
            final = await api.messages.create(messages=messages, **common)
            Noted.model_validate_json("".join(block.text for block in final.content if block.type == "text"))
            ended_s.append(time.perf_counter())

    async with anthropic.AsyncAnthropic(api_key=KEY, base_url=url) as api:
        await asyncio.gather(*(loop(api) for _ in range(IN_FLIGHT)))
    return {"rate": steady(ended_s)}


def steady(ended_s: list[float]) -> float:
    """Ends a second, after the first NOT_COUNTED of them."""
    first = int(len(ended_s) * NOT_COUNTED)
    return (len(ended_s) - first) / (ended_s[-1] - ended_s[first])


WAYS = {"muster": muster, "sdk_loop": sdk_loop}


def in_own_process(way: str, plan: dict[str, Any], count: int) -> dict[str, Any]:
    """One measurement, with a server and a client process of its own."""
    with serving(plan) as server:
        command = [sys.executable, __file__, "--way", way, "--url", server.url, "--count", str(count)]
        environment = {**os.environ, "ANTHROPIC_API_KEY": KEY, "PYTHONWARNINGS": "ignore"}
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
        return {**json.loads(done.stdout), "meter": server.meter()}


def compared(latency_ms: float, counts: dict[str, int], rounds: int) -> dict[str, Any]:
    """Both ways in turn, and the ratio of their medians."""
    rates: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way in WAYS:
            rates[way].append(in_own_process(way, {"latency_ms": latency_ms}, counts[way])["rate"])
    median = {way: statistics.median(of) for way, of in rates.items()}
    return {"rates": rates, **median, "ratio": median["muster"] / median["sdk_loop"]}


def limited(for_s: float) -> dict[str, float]:
    """Muster at a server that allows RATE_PER_S requests a second, with a burst of one second's worth."""
    limits = {"requests_per_s": RATE_PER_S, "requests_burst": RATE_PER_S}
    count = int(RATE_PER_S * for_s / 2) // PER_RUN * PER_RUN
    meter = in_own_process("muster", {"latency_ms": 50, "limits": limits}, count)["meter"]
    return {
        "rate_limited_share": meter["statuses"].get("429", 0) / meter["requests"],
        "rate_utilization": meter["billed"] / (RATE_PER_S + RATE_PER_S * meter["elapsed_s"]),
    }


def measured(rounds: int, counts: dict[str, int], for_s: float) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for latency_ms in (0, 50):
        of = compared(latency_ms, counts, rounds)
        found[f"ratio_over_sdk_loop_{latency_ms}ms"] = round(of.pop("ratio"), 3)
        found[f"subagents_per_s_{latency_ms}ms"] = of
    return {**found, **limited(for_s)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument(
        "--count", type=int, default=2_400, help="sub-agents of one measurement; the loop does a quarter"
    )
    parser.add_argument("--limited-s", type=float, default=20.0, help="length of the rate-limited part")
    parser.add_argument("--way", choices=sorted(WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way:
        with tempfile.TemporaryDirectory() as scratch:
            print(json.dumps(asyncio.run(WAYS[given.way](given.url, given.count, Path(scratch)))))
        return
    counts = {"muster": given.count, "sdk_loop": max(IN_FLIGHT * 2, given.count // 4)}
    found = measured(given.rounds, counts, given.limited_s)
    if given.json:
        print(json.dumps(found))
        return
    for latency_ms in (0, 50):
        of = found[f"subagents_per_s_{latency_ms}ms"]
        times = found[f"ratio_over_sdk_loop_{latency_ms}ms"]
        print(f"{latency_ms:3} ms  Muster {of['muster']:6.0f}/s  the SDK's loop {of['sdk_loop']:6.0f}/s  {times:.2f}")
    print(
        f"at {RATE_PER_S:g} requests/s: {found['rate_limited_share']:.2%} refused, "
        f"{found['rate_utilization']:.1%} of the allowed rate used"
    )


if __name__ == "__main__":
    main()
