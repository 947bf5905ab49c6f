"""Servers that are absent, slow, wrong or lying: each is a SourceError that names the server, and never a finding."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import aiohttp
import pytest
from aiohttp import web

from actors.sources import Metrics, Window
from actors.tools.base import SourceError, ToolContext
from actors.tools.metrics.citations import unresolved
from actors.tools.metrics.history import Place, read_series
from actors.tools.metrics.prometheus import Prometheus
from actors.tools.metrics.series import SeriesSet
from actors.tools.shared import Shared

WINDOW = Window(1_700_000_000.0, 3_600.0)
T = TypeVar("T")
SELECTOR = '{service="cart"}'
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def asked(handler: Handler, ask: Callable[[str], Awaitable[T]]) -> T:
    """What comes of `ask(url)`, of a server that answers every call with `handler`."""

    async def go() -> T:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            return await ask(f"http://127.0.0.1:{runner.addresses[0][1]}")
        finally:
            await runner.cleanup()

    return asyncio.run(go())


def read_from(handler: Handler) -> SeriesSet:
    """What the reader makes of such a server."""

    async def ask(url: str) -> SeriesSet:
        shared = Shared()
        try:
            return await read_series(shared, Place("", url, SELECTOR, ""), WINDOW)
        finally:
            await shared.close()

    return asked(handler, ask)


def success(data: Any, **more: Any) -> web.Response:
    return web.json_response({"status": "success", "data": data, **more})


def server(rows: Any, result_type: str = "matrix", **more: Any) -> Handler:
    """A server that knows the metric `m`, and gives `rows` when asked for its samples."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/metadata"):
            return success({"m": [{"type": "gauge", "help": "", "unit": ""}]})
        if request.path.endswith("/values"):
            return success(["m"])
        query = str((await request.post()).get("query", ""))
        if "count_over_time" in query:
            one = {"metric": {"muster_name": "m", "service": "cart"}, "value": [WINDOW.as_of_s, "3"]}
            return success({"resultType": "vector", "result": [one]})
        return success({"resultType": result_type, "result": rows}, **more)

    return handle


def row(values: Any, **labels: Any) -> dict[str, Any]:
    return {"metric": {"__name__": "m", "service": "cart", **labels}, "values": values}


def always(body: str, status: int = 200) -> Handler:
    async def handle(_: web.Request) -> web.StreamResponse:
        return web.Response(text=body, status=status)

    return handle


def test_an_honest_answer_is_read():
    """The pattern for all that follows: samples, warnings as gaps, values that are no numbers left out."""
    found = read_from(
        server([row([[1_699_999_000, "1.5"], [1_699_999_060.5, "NaN"], [1_699_999_120, "2"]])], warnings=["w"])
    )

    (series,) = found.series
    assert series.times.tolist() == [1_699_999_000.0, 1_699_999_120.0]
    assert series.values.tolist() == [1.5, 2.0]
    assert any("warns: w" in gap for gap in found.gaps)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([row([[1_699_999_000, "1"]], service="other")], "does not pick"),
        ([row([[1_600_000_000, "1"]])], "outside of the time"),
        ([row([[1_699_999_060, "1"], [1_699_999_000, "2"]])], "makes no sense"),
        ([row([[1_699_999_000, "many"]])], "makes no sense"),
        ([row([[1_699_999_000]])], "makes no sense"),
        ([row("text")], "makes no sense"),
        ([row([[1_699_999_000, "1"]], extra=5)], "makes no sense"),
        ([{"metric": {"__name__": "m", "service": "cart"}}], "makes no sense"),
        (["row"], "makes no sense"),
        ("rows", "makes no sense"),
        ([], "absent behind the selector"),
        ([row([[1_699_999_000, "NaN"]])], "absent behind the selector"),
    ],
)
def test_a_lying_server_is_not_believed(rows: Any, said: str):
    """Other labels, other times, other types than asked for; and nothing at all."""
    with pytest.raises(SourceError, match=said):
        read_from(server(rows))


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ("<html>hello</html>", 200, "does not answer metadata as a Prometheus API"),
        ("", 200, "does not answer"),
        ("[]", 200, "does not answer"),
        ("[" * 100_000, 200, "does not answer"),
        ('{"status": "maybe"}', 200, "does not answer"),
        ('{"status": "error", "error": "on fire"}', 500, "on fire"),
        ('{"status": "error", "error": "no such thing"}', 404, "no such thing"),
        ('{"status": "success", "data": []}', 200, "makes no sense"),
        ("bad gateway", 502, "status 502"),
    ],
)
def test_what_is_no_prometheus_is_said_to_be_none(body: str, status: int, said: str):
    """Other programs, proxies in between, and servers in trouble."""
    with pytest.raises(SourceError, match=said):
        read_from(always(body, status))


def test_a_selector_that_matches_nothing_is_absent():
    """Absent is not healthy: the reason names the selector."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return success({} if request.path.endswith("/metadata") else [])

    with pytest.raises(SourceError, match=r"absent behind the selector.*cart"):
        read_from(handle)


def test_redirects_are_not_followed():
    """The answer must come from the server that the manifest names."""

    async def handle(_: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("http://127.0.0.1:1/elsewhere")

    with pytest.raises(SourceError, match="redirects"):
        read_from(handle)


def test_an_endless_answer_is_cut_off():
    """A body larger than any honest answer ends the call, not the memory."""

    async def handle(request: web.Request) -> web.StreamResponse:
        reply = web.StreamResponse()
        await reply.prepare(request)
        while True:
            await reply.write(b" " * (1 << 20))

    with pytest.raises(SourceError, match="more than"):
        read_from(handle)


def test_an_unreachable_server_is_asked_once_for_all_services():
    """With its address and the reason; a second service does not wait for it again."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://user:secret@127.0.0.1:{free.getsockname()[1]}"

    async def go() -> list[str]:
        shared = Shared()
        said = []
        for service in ("cart", "web"):
            with pytest.raises(SourceError) as caught:
                await read_series(shared, Place("", url, f'{{service="{service}"}}', ""), WINDOW)
            said.append(str(caught.value))
        await shared.close()
        return said

    said = asyncio.run(go())

    assert said[0] == said[1]
    assert "cannot be reached" in said[0]
    assert "127.0.0.1" in said[0]
    assert "secret" not in said[0]


@pytest.mark.parametrize("url", ["", "ftp://127.0.0.1", "127.0.0.1:9090", "http://"])
def test_an_address_that_is_none_is_refused(url: str):
    """Before anything is sent."""

    async def go() -> None:
        await read_series(Shared(), Place("", url, SELECTOR, ""), WINDOW)

    with pytest.raises(SourceError, match="prometheus-url"):
        asyncio.run(go())


def test_many_samples_are_read_in_steps_and_in_parts():
    """More than fit are asked for as means per step, with no more points per query than a server gives."""
    forms: list[dict[str, str]] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        form = {key: str(value) for key, value in (await request.post()).items()}
        if request.path.endswith("/metadata"):
            return success({})
        if request.path.endswith("/values"):
            return success(["m", "n_total"])
        if "count_over_time" in form["query"]:
            rows = [
                {"metric": {"muster_name": name, "service": "cart"}, "value": [WINDOW.as_of_s, "400000"]}
                for name in ("m", "n_total")
            ]
            return success({"resultType": "vector", "result": rows})
        forms.append(form)
        value = [[float(form["start"]), "1"], [float(form["end"]) - 0.5, "2"]]
        return success({"resultType": "matrix", "result": [{"metric": {"service": "cart"}, "values": value}]})

    found = read_from(handle)

    assert [(s.name, s.step_s) for s in found.series] == [("m", 15.0), ("n_total", 0.0)]
    assert any("means of 15 s" in gap for gap in found.gaps)
    for form in forms:
        assert (float(form["end"]) - float(form["start"])) / float(form["step"]) <= 11_000
    assert {json.dumps("avg_over_time" in form["query"]) for form in forms} == {"true", "false"}


def test_a_refused_query_is_no_crash():
    """An error of the query itself (too many samples, say) fails the source with the server's own words."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/query"):
            return web.json_response(
                {"status": "error", "errorType": "execution", "error": "too many samples"}, status=422
            )
        return success(["m"] if request.path.endswith("/values") else {})

    with pytest.raises(SourceError, match="too many samples"):
        read_from(handle)


def test_a_server_that_says_nothing_is_left():
    """The call ends at its limit, and says so."""

    async def handle(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError("never")

    async def ask(url: str) -> None:
        async with aiohttp.ClientSession() as http:
            await Prometheus(url, http, timeout_s=0.2).names(SELECTOR, 0.0, 1.0)

    with pytest.raises(SourceError, match=r"within 0\.2 s"):
        asked(handle, ask)


def test_a_citation_that_nobody_can_look_up_is_not_taken_for_wrong():
    """A server that is gone says nothing of its samples; one that refuses a query says that there are none."""
    cited = ['metric:m{service="cart"}@1700000000']

    def checked(status: int) -> list[str]:
        async def handle(_: web.Request) -> web.StreamResponse:
            return web.json_response({"status": "error", "errorType": "x", "error": "no"}, status=status)

        async def ask(url: str) -> list[str]:
            source = Metrics("", url=url, selector=SELECTOR)
            inputs = {"metrics": source.as_json(), "window": WINDOW.as_json()}
            return await asyncio.to_thread(unresolved, ToolContext("t", inputs, "", Shared()), cited)

        return asked(handle, ask)

    with pytest.raises(SourceError, match=r"127\.0\.0\.1"):
        checked(503)
    assert checked(400) == cited
