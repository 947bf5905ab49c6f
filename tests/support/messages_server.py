"""A server that speaks the Messages API on 127.0.0.1: real HTTP, its own process, its own bill, faults on order.

    cd tests && python -m support.messages_server --plan '{"faults": [{"kind": "reset", "share": 0.1}]}'

prints one JSON line with its URL when it is ready and ends when its stdin closes. `GET /meter` is the bill: what was
billed, whether or not the reply arrived; `PUT /plan` starts over with another plan.
In Python: `with serving({...}) as server: server.url, server.meter(), server.play({...})`.

The plan (every field may be left out):
    seed         of everything random; the same seed and order of requests give the same faults
    latency_ms   a number, or {"median": 50, "sigma": 0.5}: log-normal
    chunk_ms     pause between the events of a stream
    key          when set, any other key gets 401
    models       when set, any other model gets 404
    limits       {"requests_per_s", "requests_burst", "input_tokens_per_s", "input_tokens_burst", "output_tokens_per_s",
                 "output_tokens_burst"}: true token buckets, refilled continuously; burst defaults to a minute's worth
    headers      "all" (default): anthropic-ratelimit-* on every reply, "429": only there, "none"
    window_s     instead of buckets, windows of this length that refill at their end
    retry_after  "ceil" (default, whole seconds), "exact", "none"
    watch        texts that no request may hold: `GET /meter` counts the bodies that do as "watched"
    answer       "module:function" instead of `messages_replies.answer`
    faults       list of {"kind", "share"} drawn by chance, or with "first": n for the first n requests, before shares;
                 "model" limits one to a model, whose calls its share is of. Kinds: see `FAULTS`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import json
import math
import random
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from support import messages_replies as replies

# Statuses are not billed unless the fault says "billed": true. Lost replies are billed, but for `reset_before`.
STATUSES = {"rate_limited": 429, "overloaded": 529, "server_error": 500, "bad_gateway": 502, "unavailable": 503}
STATUSES |= {"gateway_timeout": 504, "request_timeout": 408, "conflict": 409, "bad_request": 400, "forbidden": 403}
STATUSES |= {"payment_required": 402, "too_large": 413, "unprocessable": 422}
LOST = {
    "reset_before",
    "reset",
    "reset_midway",
    "hang",
    "hang_midway",
    "truncated",
    "not_json",
    "empty",
    "stream_error",
}
ODD_BODIES = {"wrong_types", "no_usage", "huge", "surrogate", "deep", "not_an_object", "odd_names"}
STOPS = {"refusal", "max_tokens", "pause_turn", "model_context_window_exceeded", "unknown_stop", "thinking", "bad_json"}
FAULTS = {*STATUSES, *LOST, *ODD_BODIES, *STOPS, "redirect", "slow"}


class Bucket:
    """A token bucket, or a window when `window_s` is set. Times are those of time.monotonic()."""

    def __init__(self, rate_per_s: float, burst: float | None, window_s: float | None) -> None:
        self.rate_per_s = rate_per_s
        self.capacity = float(burst if burst is not None else rate_per_s * 60)
        self.window_s = window_s
        self.level = self.capacity
        self._at_s = time.monotonic()

    def refill(self, now_s: float) -> None:
        if self.window_s is not None:
            if now_s - self._at_s >= self.window_s:
                self._at_s += self.window_s * ((now_s - self._at_s) // self.window_s)
                self.level = self.capacity
            return
        self.level = min(self.capacity, self.level + (now_s - self._at_s) * self.rate_per_s)
        self._at_s = now_s

    def full_in_s(self, now_s: float) -> float:
        if self.window_s is not None:
            return self.window_s - (now_s - self._at_s)
        return (self.capacity - self.level) / self.rate_per_s

    def free_in_s(self, now_s: float, amount: float) -> float:
        if self.window_s is not None:
            return self.full_in_s(now_s)
        return max(0.0, (min(amount, self.capacity) - self.level) / self.rate_per_s)


@dataclass
class Call:
    """One request: what it asked, what it costs and what goes wrong with it."""

    request: web.BaseRequest
    body: dict[str, Any]
    headers: dict[str, str]
    fault: dict[str, Any]
    input_tokens: int
    read_tokens: int = 0
    write_tokens: int = 0

    @property
    def kind(self) -> str:
        return str(self.fault.get("kind", ""))


class Server:
    def __init__(self, plan: dict[str, Any]) -> None:
        unknown = {fault["kind"] for fault in plan.get("faults", ())} - FAULTS
        if unknown:
            raise SystemExit(f"no such fault: {', '.join(sorted(unknown))}; there are {', '.join(sorted(FAULTS))}")
        self.plan = plan
        self.random = random.Random(plan.get("seed", 0))
        limits = plan.get("limits", {})
        self.buckets = {
            axis: Bucket(limits[f"{axis}_per_s"], limits.get(f"{axis}_burst"), plan.get("window_s"))
            for axis in ("requests", "input_tokens", "output_tokens")
            if f"{axis}_per_s" in limits
        }
        module, _, function = plan.get("answer", "support.messages_replies:answer").partition(":")
        self.answer = getattr(importlib.import_module(module), function)
        self.first = [fault for fault in plan.get("faults", ()) for _ in range(int(fault.get("first", 0)))]
        self.by_chance = [fault for fault in plan.get("faults", ()) if fault.get("share")]
        self.written: set[str] = set()
        self.clear()

    def clear(self) -> None:
        self.counts: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.models: dict[str, Counter[str]] = {}
        self.kinds: Counter[str] = Counter()
        self.traceparents: list[str] = []
        self.in_flight = self.in_flight_max = self.serial = 0
        self.first_at_s = self.last_at_s = 0.0

    def meter(self) -> dict[str, Any]:
        """The bill and what the server saw. `unseen_*` is the part of the bill whose reply the client never got."""
        return {
            **{name: self.counts[name] for name in ("requests", "billed", "unseen", "input_tokens", "output_tokens")},
            **{name: self.counts[name] for name in ("cache_read_tokens", "cache_write_tokens", "unseen_tokens")},
            "watched": self.counts["watched"],
            "traceparents": list(self.traceparents),
            "total_tokens": self.counts["input_tokens"] + self.counts["output_tokens"],
            "statuses": dict(self.statuses),
            "models": {name: dict(counts) for name, counts in self.models.items()},
            "faults": dict(self.kinds),
            "in_flight_max": self.in_flight_max,
            "elapsed_s": self.last_at_s - self.first_at_s,
        }

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/meter":
            if request.method == "DELETE":
                self.clear()
            return web.json_response(self.meter())
        if request.path != "/v1/messages" or request.method != "POST":
            return self.error(404, "not_found_error", f"no {request.method} {request.path} here")
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self.in_flight)
        try:
            return await self.messages(request)
        finally:
            self.in_flight -= 1

    async def messages(self, request: web.BaseRequest) -> web.StreamResponse:
        raw = await request.read()
        now_s = self.last_at_s = time.monotonic()
        self.first_at_s = self.first_at_s or now_s
        self.counts["requests"] += 1
        key = self.plan.get("key")
        given = request.headers.get("Authorization", "").removeprefix("Bearer ") or request.headers.get("x-api-key", "")
        if key is not None and given != key:
            return self.error(401, "authentication_error", f"invalid key {given}")
        self.traceparents += request.headers.getall("traceparent", [])
        self.counts["watched"] += any(text.encode() in raw for text in self.plan.get("watch", ()))
        try:
            body = replies.checked(json.loads(raw))
        except (ValueError, replies.BadRequest, KeyError, AttributeError, TypeError) as error:
            return self.error(400, "invalid_request_error", f"{error}")
        if body["model"] not in self.plan.get("models", [body["model"]]):
            return self.error(404, "not_found_error", f"model: {body['model']}")
        call = Call(request, body, {}, self.draw(body["model"]), -(-len(raw) // replies.BYTES_PER_TOKEN))
        self.count_cache(call)
        refused = self.limit(call, now_s)
        return refused if refused is not None else await self.serve(call)

    def draw(self, model: str) -> dict[str, Any]:
        if self.first and self.first[0].get("model", model) == model:
            return self.first.pop(0)
        chance = self.random.random() if self.by_chance else 1.0
        for fault in self.by_chance:
            if fault.get("model", model) == model:
                chance -= fault["share"]
                if chance < 0:
                    return fault
        return {}

    def count_cache(self, call: Call) -> None:
        marked = replies.prefixes(call.body)
        known = [tokens for digest, tokens in marked if digest in self.written]
        call.read_tokens = min(known[-1], call.input_tokens) if known else 0
        if marked:
            call.write_tokens = min(marked[-1][1], call.input_tokens) - call.read_tokens
            self.written.update(digest for digest, _ in marked)

    def limit(self, call: Call, now_s: float) -> web.Response | None:
        """Takes what the request needs from every bucket, or answers 429 and takes nothing."""
        needs = {"requests": 1.0, "input_tokens": float(call.input_tokens - call.read_tokens), "output_tokens": 0.0}
        waits = []
        for axis, bucket in self.buckets.items():
            bucket.refill(now_s)
            if bucket.level < min(needs[axis], bucket.capacity) or (axis == "output_tokens" and bucket.level <= 0):
                waits.append(bucket.free_in_s(now_s, max(1.0, needs[axis])))
        if not waits:
            for axis, bucket in self.buckets.items():
                bucket.level -= needs[axis]
        headers = {}
        for axis, bucket in self.buckets.items():
            name, reset_s = axis.replace("_", "-"), time.time() + bucket.full_in_s(now_s)
            headers[f"anthropic-ratelimit-{name}-limit"] = str(int(bucket.capacity))
            headers[f"anthropic-ratelimit-{name}-remaining"] = str(max(0, int(bucket.level)))
            reset = datetime.fromtimestamp(math.ceil(reset_s), UTC)
            headers[f"anthropic-ratelimit-{name}-reset"] = reset.strftime("%Y-%m-%dT%H:%M:%SZ")
        where = self.plan.get("headers", "all")
        call.headers = headers if where == "all" else {}
        if not waits:
            return None
        how = self.plan.get("retry_after", "ceil")
        if how != "none":
            headers["retry-after"] = str(math.ceil(max(waits)) if how == "ceil" else round(max(waits), 3))
        told = headers if where != "none" else {}
        return self.error(429, "rate_limit_error", "Number of requests has exceeded your rate limit", told)

    async def serve(self, call: Call) -> web.StreamResponse:
        kind = call.kind
        if kind:
            self.kinds[kind] += 1
        if kind == "reset_before":
            return self.reset(call)
        if kind == "redirect":
            return web.Response(status=307, headers={"location": call.fault.get("to", "http://127.0.0.1:9/")})
        if kind in STATUSES and not call.fault.get("billed"):
            return self.fault_status(call)
        message = self.message(call)
        self.bill(call, message, unseen=kind in LOST or kind in STATUSES or kind in ("no_usage", "not_an_object"))
        await asyncio.sleep(self.latency_s())
        if kind in STATUSES:
            return self.fault_status(call)
        if kind == "hang":
            await asyncio.sleep(call.fault.get("hang_s", 3600))
        if kind == "reset":
            return self.reset(call)
        return await (self.stream if call.body.get("stream") else self.whole)(call, message)

    def latency_s(self) -> float:
        latency = self.plan.get("latency_ms", 0)
        if isinstance(latency, dict):
            return float(latency["median"]) * math.exp(self.random.gauss(0.0, latency.get("sigma", 0.5))) / 1e3
        return float(latency) / 1e3

    def fault_status(self, call: Call) -> web.Response:
        headers = dict(call.headers)
        headers |= {"retry-after": str(call.fault["retry_after_s"])} if "retry_after_s" in call.fault else {}
        status = STATUSES[call.kind]
        if call.kind == "bad_gateway":
            self.statuses["502"] += 1
            return web.Response(status=502, text="<html><h1>502 Bad Gateway</h1></html>", headers=headers)
        return self.error(status, f"{call.kind}_error", call.kind.replace("_", " "), headers)

    def error(self, status: int, kind: str, message: str, headers: dict[str, str] | None = None) -> web.Response:
        self.statuses[str(status)] += 1
        body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": self.request_id()}
        told = {"request-id": body["request_id"], **(headers or {})}
        return web.Response(
            status=status, body=json.dumps(body).encode(), content_type="application/json", headers=told
        )

    def request_id(self) -> str:
        self.serial += 1
        return f"req_{self.serial:08d}"

    def reset(self, call: Call) -> web.Response:
        """Breaks the connection with RST, as a dying proxy does."""
        transport = call.request.transport
        if transport is not None:
            sock = transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        return web.Response()

    def message(self, call: Call) -> dict[str, Any]:
        content, stop_reason = self.answer(call.body)
        if call.kind in STOPS:
            content, stop_reason = _stopped(call.kind, content, stop_reason)
        if call.kind == "huge":
            content = [{"type": "text", "text": "x" * int(call.fault.get("bytes", 8_000_000))}]
        output_tokens = min(max(1, replies.tokens(content)), call.body["max_tokens"])
        return {
            "id": f"msg_{self.counts['requests']:08d}",
            "type": "message",
            "role": "assistant",
            "model": call.body["model"],
            "content": content,
            "stop_reason": stop_reason,
            "stop_sequence": None,
            "usage": {
                "input_tokens": call.input_tokens - call.read_tokens - call.write_tokens,
                "cache_creation_input_tokens": call.write_tokens,
                "cache_read_input_tokens": call.read_tokens,
                "output_tokens": output_tokens,
                "service_tier": "standard",
            },
        }

    def bill(self, call: Call, message: dict[str, Any], *, unseen: bool) -> None:
        output = message["usage"]["output_tokens"]
        if "output_tokens" in self.buckets:
            self.buckets["output_tokens"].level -= output
        rows = {"billed": 1, "input_tokens": call.input_tokens, "output_tokens": output}
        rows |= {"cache_read_tokens": call.read_tokens, "cache_write_tokens": call.write_tokens}
        if unseen:
            rows |= {"unseen": 1, "unseen_tokens": call.input_tokens + output}
        self.counts.update(rows)
        self.models.setdefault(call.body["model"], Counter()).update(rows)

    async def whole(self, call: Call, message: dict[str, Any]) -> web.StreamResponse:
        body = _odd_body(call.kind, json.dumps(message).encode(), message)
        headers = {"request-id": self.request_id(), **call.headers}
        self.statuses["200"] += 1
        if call.kind in ("reset_midway", "hang_midway", "slow"):
            return await self.in_parts(call, body, headers)
        kind = "text/html" if call.kind == "not_json" else "application/json"
        return web.Response(body=body, content_type=kind, headers=headers)

    async def in_parts(self, call: Call, body: bytes, headers: dict[str, str]) -> web.StreamResponse:
        response = web.StreamResponse(headers={**headers, "content-type": "application/json"})
        response.content_length = len(body)
        await response.prepare(call.request)
        half = len(body) // 2
        if call.kind == "slow":
            for at in range(0, len(body), 64):
                await response.write(body[at : at + 64])
                await asyncio.sleep(0.01)
            return response
        await response.write(body[:half])
        if call.kind == "hang_midway":
            await asyncio.sleep(call.fault.get("hang_s", 3600))
        await asyncio.sleep(0.01)
        return self.reset(call)

    async def stream(self, call: Call, message: dict[str, Any]) -> web.StreamResponse:
        self.statuses["200"] += 1
        headers = {"content-type": "text/event-stream", "request-id": self.request_id(), **call.headers}
        response = web.StreamResponse(headers=headers)
        await response.prepare(call.request)
        events = list(_events(message))
        cut = len(events) // 2 if call.kind in LOST else len(events)
        for name, data in events[:cut]:
            await response.write(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode())
            await asyncio.sleep(self.plan.get("chunk_ms", 0) / 1e3)
        if call.kind == "hang_midway":
            await asyncio.sleep(call.fault.get("hang_s", 3600))
        if call.kind == "stream_error":
            data = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
            await response.write(f"event: error\ndata: {json.dumps(data)}\n\n".encode())
        if call.kind == "reset_midway":
            return self.reset(call)
        return response


def _stopped(kind: str, content: list[dict[str, Any]], stop_reason: str) -> tuple[list[dict[str, Any]], str]:
    if kind == "refusal":
        return [], "refusal"
    if kind == "thinking":
        thought = {"type": "thinking", "thinking": "", "signature": "c2lnbmVk"}
        return [thought, {"type": "shape_of_2031", "payload": [1, {"a": None}]}, *content], stop_reason
    if kind == "pause_turn":
        return [{"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}}], kind
    if kind == "bad_json":
        return [{"type": "text", "text": '{"summary": "half'}], "end_turn"
    if kind == "unknown_stop":
        return content, "stopped_by_the_moon"
    return [{"type": "text", "text": '{"summary": "cut'}], kind


def _odd_body(kind: str, body: bytes, message: dict[str, Any]) -> bytes:
    if kind == "truncated":
        return body[: len(body) // 2]
    if kind == "empty":
        return b""
    if kind == "not_json":
        return b"<html>It works!</html>"
    if kind == "not_an_object":
        return b'["no", "message"]'
    if kind == "wrong_types":
        return json.dumps({**message, "content": "text", "stop_reason": 7}).encode()
    if kind == "no_usage":
        return json.dumps({**message, "usage": {"input_tokens": "many", "output_tokens": -3}}).encode()
    if kind == "surrogate":
        return json.dumps({**message, "content": [{"type": "text", "text": "a \ud800 b"}]}).encode()
    if kind == "odd_names":
        odd = {"model": 'x","gen_ai.usage.input_tokens":-5,"y":"\x1b[2J', "id": "i" * 100_000}
        return json.dumps({**message, **odd}).encode()
    if kind == "deep":
        return b'{"content": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    return body


def _events(message: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The server-sent events that make up `message`."""
    usage = message["usage"]
    start = {**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    yield "message_start", {"type": "message_start", "message": start}
    yield "ping", {"type": "ping"}
    for index, block in enumerate(message["content"]):
        opened, deltas = _block_deltas(block)
        yield "content_block_start", {"type": "content_block_start", "index": index, "content_block": opened}
        for delta in deltas:
            yield "content_block_delta", {"type": "content_block_delta", "index": index, "delta": delta}
        yield "content_block_stop", {"type": "content_block_stop", "index": index}
    delta = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    yield (
        "message_delta",
        {"type": "message_delta", "delta": delta, "usage": {"output_tokens": usage["output_tokens"]}},
    )
    yield "message_stop", {"type": "message_stop"}


def _block_deltas(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    if block["type"] == "text":
        text = block["text"]
        step = max(1, len(text) // 4)
        parts = [text[at : at + step] for at in range(0, len(text), step)]
        return {"type": "text", "text": ""}, [{"type": "text_delta", "text": part} for part in parts]
    if block["type"] == "tool_use":
        text = json.dumps(block["input"])
        parts = [text[at : at + 7] for at in range(0, len(text), 7)]
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": part} for part in ["", *parts]]
    if block["type"] == "thinking":
        deltas = [{"type": "thinking_delta", "thinking": block["thinking"]}]
        signature = {"type": "signature_delta", "signature": block["signature"]}
        return {"type": "thinking", "thinking": "", "signature": ""}, [*deltas, signature]
    return block, []


@dataclass
class Serving:
    """A running server, as a test sees it."""

    url: str
    process: subprocess.Popen[bytes]

    def meter(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/meter") as response:
            return dict(json.load(response))

    def clear(self) -> None:
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/meter", method="DELETE")).close()

    def play(self, plan: dict[str, Any]) -> Serving:
        """The same process with another plan and an empty meter; what is under way ends under the old one."""
        body = json.dumps(plan).encode()
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/plan", data=body, method="PUT")).close()
        return self


@contextlib.contextmanager
def serving(plan: dict[str, Any] | None = None) -> Iterator[Serving]:
    """A server of its own for the block; it ends with the block, or with the process that started it."""
    command = [sys.executable, "-m", "support.messages_server", "--plan", json.dumps(plan or {})]
    root = Path(__file__).resolve().parents[1]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            yield Serving(json.loads(line)["url"], process)
        finally:
            process.kill()


async def main(plan: dict[str, Any], port: int) -> None:
    stage = [Server(plan)]

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/plan" and request.method == "PUT":
            stage[0] = Server(await request.json())
            return web.json_response(stage[0].meter())
        return await stage[0].handle(request)

    runner = web.ServerRunner(web.Server(handle, access_log=None), shutdown_timeout=0.1)  # type: ignore[arg-type]
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, backlog=4096)
    await site.start()
    print(json.dumps({"url": f"http://127.0.0.1:{runner.addresses[0][1]}"}), flush=True)
    await asyncio.to_thread(sys.stdin.buffer.read)
    await runner.cleanup()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--plan", default="{}", help="JSON, or @FILE")
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args()
    text = Path(given.plan[1:]).read_text() if given.plan.startswith("@") else given.plan
    asyncio.run(main(json.loads(text), given.port))
