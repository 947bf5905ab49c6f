"""The HTTP client under the official SDK: the same interface, on an aiohttp session, without what the SDK does not use.

The SDK's own client scans its whole connection pool on every request; its aiohttp transport still builds the URL and
headers of each request anew and walks through redirect, cookie and authentication flows. Here the SDK builds and sends
the first request; later ones reuse its URL and headers. `benchmarks/http_client.py` has the figures.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx2
from multidict import CIMultiDict
from yarl import URL

REPLY_BYTES_MAX = 32 * 1024 * 1024  # the longest replies are about 1 MB of text; more is no reply
CONNECT_S = 10.0
TRACEPARENT = "traceparent"  # the header of the W3C trace context
KEEP_ALIVE_S = 15.0  # below what common servers and balancers keep, so that they rarely close a connection in use
ENCODINGS = "gzip, deflate"  # what aiohttp always decodes


class ReplyTooLargeError(Exception):
    """A body above REPLY_BYTES_MAX."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Where and with which headers the SDK sent a request: later ones of its kind differ in nothing but the body."""

    url: URL
    headers: CIMultiDict[str]

    @classmethod
    def of(cls, request: httpx2.Request) -> Prepared:
        own = ("content-length", "transfer-encoding", TRACEPARENT)
        kept = [(name, value) for name, value in request.headers.multi_items() if name.lower() not in own]
        return cls(URL(str(request.url), encoded=True), CIMultiDict(kept))

    def __repr__(self) -> str:
        return f"Prepared({self.url})"  # the headers hold the key


@dataclass(frozen=True, slots=True)
class Answered:
    """A reply with its whole body. `headers` are looked up without regard to case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class LeanClient(httpx2.AsyncClient):
    """Sends each request once: no redirects (they would carry the key elsewhere), no cookies, no retries.

    Raises aiohttp's own errors, which tell a refused connection from one that was lost after sending.
    The calls in flight are bounded by the brake, not here.
    """

    def __init__(self, base_url: str, *, reply_bytes_max: int = REPLY_BYTES_MAX) -> None:
        # Never used to send: httpx2 would otherwise load certificates for a pool of its own.
        super().__init__(transport=_Nowhere(), headers={"accept-encoding": ENCODINGS}, trust_env=False)
        self._base = httpx2.URL(base_url)
        self._reply_bytes_max = reply_bytes_max
        self._session: aiohttp.ClientSession | None = None
        self._proxy = _proxy_for(self._base)

    async def send(self, request: httpx2.Request, *, stream: bool = False, **_: Any) -> httpx2.Response:
        """`request`, sent; the body is read unless `stream`. Time limits are the caller's, but for connecting."""
        response = await self._opened().request(
            request.method,
            URL(str(request.url), encoded=True),
            headers=request.headers.multi_items(),
            data=request.content or None,
            allow_redirects=False,
            proxy=self._proxy,
        )
        headers = [(name, value) for name, value in response.raw_headers if name.lower() != b"content-encoding"]
        if stream:
            body = _Body(response, self._reply_bytes_max)
            return httpx2.Response(response.status, headers=headers, stream=body, request=request)
        content = await _whole(response, self._reply_bytes_max)
        return httpx2.Response(response.status, headers=headers, content=content, request=request)

    async def post_as(self, prepared: Prepared, body: bytes, traceparent: str = "") -> Answered:
        """`body`, posted as the SDK posted the request that `prepared` was taken from."""
        headers = prepared.headers
        if traceparent:
            headers = headers.copy()
            headers[TRACEPARENT] = traceparent
        response = await self._opened().request(
            "POST", prepared.url, headers=headers, data=body, allow_redirects=False, proxy=self._proxy
        )
        return Answered(response.status, response.headers, await _whole(response, self._reply_bytes_max))

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
        await super().aclose()

    def _opened(self) -> aiohttp.ClientSession:
        """The session, made at the first call: it belongs to the loop that runs then."""
        if self._session is None:
            secure: ssl.SSLContext | bool = httpx2.create_ssl_context() if self._base.scheme == "https" else True
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S, ssl=secure),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("user-agent",),
                read_bufsize=256 * 1024,
            )
        return self._session


class _Body(httpx2.AsyncByteStream):
    """A body as it arrives."""

    def __init__(self, response: aiohttp.ClientResponse, bytes_max: int) -> None:
        self._response = response
        self._bytes_max = bytes_max

    async def __aiter__(self) -> AsyncIterator[bytes]:
        seen = 0
        async for chunk in self._response.content.iter_any():
            seen += len(chunk)
            if seen > self._bytes_max:
                raise ReplyTooLargeError(f"a reply of more than {self._bytes_max} bytes")
            yield chunk

    async def aclose(self) -> None:
        # A stream that was read to its end goes back to the pool; one that was left is cut.
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


class _Nowhere(httpx2.AsyncBaseTransport):
    """The transport of a client that sends by itself."""


async def _whole(response: aiohttp.ClientResponse, bytes_max: int) -> bytes:
    """All of a body, its length checked as it comes: a compressed one does not say how long it will be."""
    length = response.content_length
    try:
        if length is not None and length <= bytes_max and "content-encoding" not in response.headers:
            return await response.read()
        parts = [part async for part in _Body(response, bytes_max)]
    except BaseException:
        response.close()
        raise
    response.release()
    return b"".join(parts)


def _proxy_for(base: httpx2.URL) -> str | None:
    """The proxy that the environment names for `base`; looked up once, as it costs more than a call."""
    if proxy_bypass(base.host):
        return None
    return getproxies().get(base.scheme)
