"""A Prometheus server's HTTP API: what is behind a selector, and its samples, within bounds. Answers are checked."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np

from actors.tools.base import SourceError, ToolError
from actors.tools.metrics.series import Family, Floats
from actors.tools.shared import Shared

if TYPE_CHECKING:  # a tenth of a second that who has no server to ask need not wait: imported where it is used
    import aiohttp

CALL_TIMEOUT_S = 60.0  # a server's own query timeout is two minutes by default; an audit does not wait that long
CONNECT_TIMEOUT_S = 5.0
BODY_BYTES_MAX = 64 * 1024 * 1024
CALLS_AT_ONCE_MAX = 8  # of one host to one server, which by default runs 20 queries at once for all its users
ATTEMPTS_MAX = 2
RETRIED_STATUSES = frozenset({429, 502, 503, 504})
_PASSWORD = re.compile(r"//[^/@]*@")

Params = Sequence[tuple[str, str]]
Sampled = tuple[dict[str, str], Floats, Floats]  # labels (with __name__ where the server keeps it), times, values


class RejectedQueryError(ToolError):
    """The server understood the call and refuses the query: a wrong expression, say, or too many samples."""


class Prometheus:
    """One server. Raises SourceError for a server that cannot be used, RejectedQueryError for a refused query."""

    def __init__(self, url: str, http: aiohttp.ClientSession, *, timeout_s: float = CALL_TIMEOUT_S) -> None:
        self.url = url.rstrip("/")
        self.name = f"Prometheus at {_PASSWORD.sub('//', self.url)}"
        self._http = http
        self._timeout_s = timeout_s
        self._slots = asyncio.Semaphore(CALLS_AT_ONCE_MAX)

    async def families(self) -> dict[str, Family]:
        """Type, help and unit of every metric that the server knows about: none from a server without metadata."""
        try:
            data, _ = await self._call("GET", "metadata", [("limit_per_metric", "1")])
        except RejectedQueryError:
            return {}
        if not isinstance(data, dict):
            raise self._lie("metadata is no object")
        return {name: _family(said) for name, said in data.items()}

    async def names(self, selector: str, start_s: float, end_s: float) -> list[str]:
        """The metrics' names behind a selector within a time."""
        params = [("match[]", selector), ("start", _time(start_s)), ("end", _time(end_s))]
        data, _ = await self._call("GET", "label/__name__/values", params)
        if not isinstance(data, list) or not all(isinstance(name, str) for name in data):
            raise self._lie("label values are no list of names")
        return sorted(set(data))

    async def instant(self, query: str, at_s: float) -> tuple[list[Sampled], list[str]]:
        """What a query gives at one time: a sample each, or a list of them for a range selector; and warnings."""
        data, warnings = await self._call("POST", "query", [("query", query), ("time", _time(at_s))])
        return self._result(data, ("vector", "matrix", "scalar")), warnings

    async def ranged(self, query: str, start_s: float, end_s: float, step_s: int) -> tuple[list[Sampled], list[str]]:
        """What a query gives at every step of a time; and warnings."""
        params = [("query", query), ("start", _time(start_s)), ("end", _time(end_s)), ("step", str(step_s))]
        data, warnings = await self._call("POST", "query_range", params)
        return self._result(data, ("matrix",)), warnings

    async def _call(self, method: str, path: str, params: Params) -> tuple[Any, list[str]]:
        """The `data` of one API call and the server's warnings."""
        import aiohttp

        async with self._slots:
            for attempt in range(1, ATTEMPTS_MAX + 1):
                try:
                    status, body = await self._fetch(method, path, params)
                except TimeoutError:  # a kind of OSError: first
                    raise SourceError(f"{self.name} did not answer {path} within {self._timeout_s:g} s") from None
                except (aiohttp.ClientError, OSError, ValueError) as error:
                    if attempt < ATTEMPTS_MAX and isinstance(error, aiohttp.ServerDisconnectedError):
                        continue
                    raise SourceError(f"{self.name} cannot be reached: {_reason(error)}") from None
                if status not in RETRIED_STATUSES or attempt == ATTEMPTS_MAX:
                    break
                await asyncio.sleep(0.5)
        return self._data(path, status, body)

    async def _fetch(self, method: str, path: str, params: Params) -> tuple[int, bytes]:
        """Status and body of one request. Redirects are not followed: an answer comes from the server asked."""
        import aiohttp

        form = {"data": list(params)} if method == "POST" else {"params": list(params)}
        timeout = aiohttp.ClientTimeout(total=self._timeout_s, sock_connect=CONNECT_TIMEOUT_S)
        url = f"{self.url}/api/v1/{path}"
        async with self._http.request(method, url, timeout=timeout, allow_redirects=False, **form) as reply:  # type: ignore[arg-type]
            if 300 <= reply.status < 400:
                raise SourceError(f"{self.name} redirects elsewhere (status {reply.status}); name the server itself")
            body = bytearray()
            async for chunk in reply.content.iter_chunked(1 << 16):
                body += chunk
                if len(body) > BODY_BYTES_MAX:
                    raise SourceError(f"{self.name} answered {path} with more than {BODY_BYTES_MAX} bytes")
            return reply.status, bytes(body)

    def _data(self, path: str, status: int, body: bytes) -> tuple[Any, list[str]]:
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict) or answer.get("status") not in ("success", "error"):
            raise SourceError(f"{self.name} does not answer {path} as a Prometheus API (status {status})")
        if answer["status"] == "error":
            reason = f"{self.name} refused {path}: {str(answer.get('error'))[:300]}"
            raise RejectedQueryError(reason) if 400 <= status < 500 else SourceError(reason)
        warnings = answer.get("warnings") or []
        said = [str(warning)[:200] for warning in warnings[:3]] if isinstance(warnings, list) else []
        return answer.get("data"), said

    def _result(self, data: Any, types: tuple[str, ...]) -> list[Sampled]:
        """A query's result as arrays, strictly: what a Prometheus never sends is a lie, not data."""
        if not isinstance(data, dict) or data.get("resultType") not in types:
            raise self._lie(f"the result is no {' or '.join(types)}")
        rows = data.get("result")
        if data["resultType"] == "scalar":
            rows = [{"metric": {}, "value": rows}]
        if not isinstance(rows, list):
            raise self._lie("the result is no list")
        try:
            return [_sampled(row) for row in rows]
        except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
            raise self._lie(f"a series does not parse ({_reason(error)})") from None

    def _lie(self, what: str) -> SourceError:
        return SourceError(f"{self.name} gave an answer that makes no sense: {what}")


async def connect(shared: Shared, url: str) -> Prometheus:
    """The server at `url`, one client for all sessions of this loop. Raises SourceError for no http(s) URL."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SourceError(f"prometheus-url {_PASSWORD.sub('//', url)!r} is no http:// or https:// address")
    loop = id(asyncio.get_running_loop())

    async def open_http() -> aiohttp.ClientSession:
        import aiohttp

        http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64), cookie_jar=aiohttp.DummyCookieJar())
        shared.on_close(http.close)
        return http

    async def open_server() -> Prometheus:
        return Prometheus(url, await shared.get_async(("http", loop), open_http))

    return await shared.get_async(("prometheus", url, loop), open_server)


def _family(said: Any) -> Family:
    first = said[0] if isinstance(said, list) and said and isinstance(said[0], dict) else {}
    kind = str(first.get("type", ""))
    return Family("" if kind == "unknown" else kind, str(first.get("help", ""))[:300], str(first.get("unit", "")))


def _sampled(row: Mapping[str, Any]) -> Sampled:
    """One series of a result. Raises ValueError for labels that are no text and times that do not ascend."""
    labels = row["metric"]
    if not isinstance(labels, dict) or not all(isinstance(value, str) for value in labels.values()):
        raise ValueError("labels are no text")
    samples = row["values"] if "values" in row else [row["value"]]
    times = np.array([sample[0] for sample in samples], dtype=np.float64)
    values = np.array([float(sample[1]) for sample in samples], dtype=np.float64)
    if not np.isfinite(times).all() or (times.size > 1 and not (np.diff(times) > 0).all()):
        raise ValueError("times do not ascend")
    return labels, times, values


def _time(at_s: float) -> str:
    return f"{at_s:.3f}".rstrip("0").rstrip(".")


def _reason(error: BaseException) -> str:
    return (str(error) or type(error).__name__)[:200]
