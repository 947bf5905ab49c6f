"""One request to the Messages API and what came of it: the official SDK on a lean HTTP client, without retries."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, cast

import anthropic
import httpx2
from anthropic._types import RequestOptions

from actors.contracts import Usage
from actors.models import wire
from actors.models.events import Assembly, stream_fault
from actors.models.faults import fault_of, said
from actors.models.http import TRACEPARENT, Answered, LeanClient, Prepared
from actors.models.key import Key
from actors.models.retry import Fault, status_fault
from actors.models.sse import EventStream

PATH = "/v1/messages"
Headers: TypeAlias = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of one request. `first_chunk_s` is known of streams only."""

    outcome: wire.Payload | Fault
    headers: Headers
    first_chunk_s: float | None = None


class Messages:
    """The API at one address under one key. Belongs to one event loop. `timeout_s` bounds each request as a whole."""

    def __init__(
        self, base_url: str, key: Key, *, timeout_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._key = key
        self._timeout_s = timeout_s
        self._clock = clock
        self._http = LeanClient(base_url)
        self._prepared: Prepared | None = None
        self._sdk = anthropic.AsyncAnthropic(
            api_key=key.reveal(),
            base_url=base_url,
            max_retries=0,
            open_telemetry=False,  # our own spans are made from the reply's attributes
            http_client=self._http,
        )

    async def aclose(self) -> None:
        await self._sdk.close()

    async def send(
        self,
        body: bytes,
        *,
        stream: bool,
        output_tokens_max: int,
        traceparent: str = "",
        timeout_s: float | None = None,
    ) -> Sent:
        """One request, with its trace context where there is one. Never raises but when cancelled.

        `timeout_s` bounds it where that is less than what bounds all.
        """
        progress = _Progress(Assembly())
        try:
            async with asyncio.timeout(self._timeout_s if timeout_s is None else min(timeout_s, self._timeout_s)):
                if stream:
                    return await self._stream(body, progress, traceparent)
                return await self._whole(body, progress, traceparent)
        except anthropic.APIStatusError as error:
            return self._refused(Answered(error.status_code, error.response.headers, error.response.content))
        except Exception as error:
            fault = fault_of(error)
        known = _known_bill(fault, progress.assembly.seen_usage, output_tokens_max)
        return Sent(known, progress.headers, progress.first_chunk_s)

    async def _whole(self, body: bytes, progress: _Progress, traceparent: str) -> Sent:
        answered = await self._post(body, traceparent)
        progress.headers = answered.headers
        if not 200 <= answered.status < 300:
            return self._refused(answered)
        return Sent(wire.payload(self._object(answered.body)), answered.headers)

    def _refused(self, answered: Answered) -> Sent:
        """An error status, in the server's own words. Scrubbed before it is shortened: half a key is one too."""
        clean = self._key.scrub(answered.body.decode("utf-8", "replace")).encode("utf-8", "replace")
        words = said(replace(answered, body=clean))
        return Sent(status_fault(answered.status, words, answered.headers), answered.headers)

    def _object(self, body: bytes) -> dict[str, Any]:
        """A body's JSON without the key, however it was spelled in there."""
        message = wire.json_object(body)
        if message.get("type") == "error":
            raise stream_fault(message)
        return cast(dict[str, Any], self._key.scrub_json(message)) if self._key.may_be_in(body) else message

    async def _post(self, body: bytes, traceparent: str) -> Answered:
        """The SDK builds and sends the first request; the later ones differ from it in nothing but the body."""
        if self._prepared is not None:
            return await self._http.post_as(self._prepared, body, traceparent)
        options = _options(traceparent)
        response = await self._sdk.post(PATH, cast_to=httpx2.Response, content=body, options=options)
        self._prepared = Prepared.of(response.request)
        return Answered(response.status_code, response.headers, response.content)

    async def _stream(self, body: bytes, progress: _Progress, traceparent: str) -> Sent:
        started_s = self._clock()
        opened = await self._sdk.post(
            PATH,
            cast_to=httpx2.Response,
            content=body,
            options=_options(traceparent),
            stream=True,
            stream_cls=anthropic.AsyncStream[Any],
        )
        response = cast(httpx2.Response, opened)  # with this cast_to the SDK hands the open response out as it is
        progress.headers = response.headers
        try:
            if "json" in response.headers.get("content-type", ""):  # it does not stream, or says what is wrong
                return Sent(wire.payload(self._object(await response.aread())), response.headers)
            await self._assemble(response, progress, started_s)
        finally:
            await response.aclose()
        message = self._key.scrub_json(progress.assembly.message())  # only now: pieces of a key are none
        return Sent(wire.payload(message), response.headers, progress.first_chunk_s)

    async def _assemble(self, response: httpx2.Response, progress: _Progress, started_s: float) -> None:
        """Feeds the events of an open stream into the assembly, until it is complete."""
        events, assembly = EventStream(), progress.assembly
        async for piece in response.aiter_bytes():
            if progress.first_chunk_s is None:
                progress.first_chunk_s = self._clock() - started_s
            for data in events.feed(piece):
                assembly.feed(wire.json_object(data))
                if assembly.done:
                    return
        if not assembly.stopped:  # a server that leaves out the very last event has said everything
            raise wire.Malformed("the stream ended before its message")


def _options(traceparent: str) -> RequestOptions:
    return {"headers": {TRACEPARENT: traceparent}} if traceparent else {}


@dataclass(slots=True)
class _Progress:
    """How far a request got before it failed."""

    assembly: Assembly
    headers: Headers = field(default_factory=dict)
    first_chunk_s: float | None = None


def _known_bill(fault: Fault, seen: Usage | None, output_tokens_max: int) -> Fault:
    """A stream that broke off had told its input already: only its output is then unknown.

    Some servers tell the input at the end and none at first: that is not believed.
    """
    if seen is None or not seen.input_tokens or fault.billed_tokens is not None:
        return fault
    return replace(fault, billed_tokens=seen.input_tokens + output_tokens_max)
