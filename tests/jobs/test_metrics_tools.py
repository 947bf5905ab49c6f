"""The metrics tools end to end, over files and a real Prometheus: findings, neighbours, citations, broken sources."""

from __future__ import annotations

import asyncio
import gzip
import lzma
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors.contracts import JsonValue
from actors.sources import Metrics, Neighbour, Window
from actors.specialists.base import Answered, Call
from actors.specialists.findings import Findings
from actors.specialists.metrics.specialist import METRICS
from actors.tools.base import SourceError, ToolContext, ToolError
from actors.tools.shared import Shared

START_S = 1_700_000_000
MINUTES = 12 * 60
WINDOW = Window(START_S + MINUTES * 60.0, 86_400.0)
BURSTS = (200, 350, 500)


def exposition(*services: str) -> bytes:
    """`shop` waits for `bank`, which runs out of CPU three times; `idle` is healthy."""
    lines = ["# TYPE latency_seconds gauge", "# TYPE cpu_ratio gauge", "# TYPE probe_success gauge"]
    samples: dict[str, list[str]] = {"latency_seconds": [], "cpu_ratio": [], "probe_success": []}
    for service in services:
        rng = np.random.default_rng(len(service))
        latency, cpu = 0.05 * rng.lognormal(0, 0.1, MINUTES), 0.1 * rng.lognormal(0, 0.1, MINUTES)
        for burst in BURSTS:
            latency[burst : burst + 6] *= 1.0 if service == "idle" else 30.0
            cpu[burst : burst + 6] = 0.95 if service == "bank" else 0.1
        up = np.ones(MINUTES)
        up[600:620] = 0 if service == "bank" else 1
        for name, values in (("latency_seconds", latency), ("cpu_ratio", cpu), ("probe_success", up)):
            at = f'{name}{{service="{service}"}}'
            samples[name] += [f"{at} {value:.5g} {START_S + 60 * n}" for n, value in enumerate(values)]
    return "\n".join([*lines, *(line for name in samples for line in samples[name]), "# EOF\n"]).encode()


def context(shared: Shared, source: Metrics) -> ToolContext:
    inputs: dict[str, JsonValue] = {"metrics": source.as_json(), "window": WINDOW.as_json()}
    return ToolContext("t", inputs, "k", shared)


async def call(at: ToolContext, name: str, **arguments: Any) -> Any:
    tool = next(tool for tool in METRICS.tools if tool.name == name)
    return await tool.function(at, **tool.arguments(arguments))


async def session(at: ToolContext) -> Findings:
    assert METRICS.analyst is not None
    answered: list[Answered] = []
    while True:
        said = METRICS.analyst(at.inputs, answered)
        if isinstance(said, Findings):
            return said
        for one in said:
            assert isinstance(one, Call)
            answered.append(Answered(one, await call(at, one.tool)))


def answer(source: Metrics) -> tuple[Findings, list[str]]:
    """The analyst's findings, and those of their citations that do not hold."""

    async def go() -> tuple[Findings, list[str]]:
        shared = Shared()
        at = context(shared, source)
        try:
            found = await session(at)
            assert METRICS.check_citations is not None
            cited = [citation for finding in found.findings for citation in finding.citations]
            assert all(finding.citations for finding in found.findings)
            return found, list(await asyncio.to_thread(METRICS.check_citations, at, cited))
        finally:
            await shared.close()

    return asyncio.run(go())


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "shop.om").write_bytes(exposition("shop"))
    (tmp_path / "bank.om.gz").write_bytes(gzip.compress(exposition("bank")))
    (tmp_path / "all.om.xz").write_bytes(lzma.compress(exposition("shop", "bank", "idle")))
    return tmp_path


def test_a_burst_is_blamed_on_the_dependency_that_ran_out_of_cpu(files: Path):
    """Each service with a file of its own, packed or not: the one is the cause, the other shows it."""
    shop = Metrics(str(files), file="shop.om", neighbours=(Neighbour("bank", "dependency", file="bank.om.gz"),))
    bank = Metrics(str(files), file="bank.om.gz", neighbours=(Neighbour("shop", "dependent", file="shop.om"),))

    (suffers, lost), (causes, lost_too) = answer(shop), answer(bank)

    assert [(one.role, one.cause) for one in suffers.findings] == [("symptom", "bank")]
    assert {one.role for one in causes.findings} == {"cause"}
    assert {one.kind for one in causes.findings} == {"unavailability", "latency_burst_with_saturation"}
    assert causes.facts == {"users_affected": True, "unavailable_minutes": 20.0}
    assert lost == lost_too == []


def test_one_file_of_many_services_is_selected_from(files: Path):
    """The selector picks a service's series; the healthy one has no finding."""
    idle, _ = answer(Metrics(str(files), selector='{service="idle"}', file="all.om.xz"))
    bank, lost = answer(Metrics(str(files), selector='{service="bank"}', file="all.om.xz"))

    assert idle.findings == []
    assert idle.facts == {"users_affected": False, "unavailable_minutes": 0.0}
    assert (len(bank.findings), lost) == (4, [])


def test_a_citation_that_points_at_nothing_is_found_out(files: Path):
    """No such series, no sample at that time, no citation at all."""
    at = context(Shared(), Metrics(str(files), file="shop.om"))
    wrong = [
        'metric:latency_seconds{service="bank"}@1700000000',
        f"metric:latency_seconds@{START_S - 60}",
        f"metric:latency_seconds@{START_S + MINUTES * 60 + 600}",
        "metric:latency_seconds@now",
        "metric:@1700000000",
        "metric:latency_seconds{@1700000000",
        "incident:7",
    ]
    right = f'metric:latency_seconds{{service="shop"}}@{START_S + 30}'

    assert METRICS.check_citations is not None
    assert list(METRICS.check_citations(at, [right, *wrong])) == wrong


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("gone.om", None, "gone.om"),
        ("../outside.om", b"", "leaves the manifest's folder"),
        ("cut.om.gz", gzip.compress(exposition("shop"))[:500], "cut.om.gz"),
        ("cut.om.xz", lzma.compress(exposition("shop"))[:500], "cut.om.xz"),
        ("text.om.gz", b"plain text", "text.om.gz"),
        ("half.om", exposition("shop")[:5000], "line"),
        ("empty.om", b"# EOF\n", "absent"),
    ],
)
def test_a_broken_file_fails_the_source_with_the_reason(files: Path, name: str, content: bytes | None, said: str):
    """Named in the message; nothing is concluded from it."""
    if content is not None:
        (files / name).write_bytes(content)

    with pytest.raises(SourceError, match=said):
        answer(Metrics(str(files), file=name))


def test_a_neighbour_that_cannot_be_read_is_a_gap(files: Path):
    """The service's own series are still judged; what could not be compared is named."""
    neighbours = (Neighbour("lost", "dependency", file="gone.om"), Neighbour("host-1", "dependency"))

    found, _ = answer(Metrics(str(files), file="shop.om", neighbours=neighbours))

    assert any("lost" in gap and "host-1" in gap for gap in found.gaps)
    assert {one.role for one in found.findings} == {"cause"}


def test_of_very_many_neighbours_the_first_are_looked_at_and_the_gap_says_so(files: Path):
    """Dependencies first: they may be the cause, dependents may not."""
    callers = [Neighbour(f"caller-{n}", "dependent", file="bank.om.gz") for n in range(30)]
    neighbours = (*callers, Neighbour("zoo", "dependency", file="gone.om"))

    found, _ = answer(Metrics(str(files), file="shop.om", neighbours=neighbours))

    assert any("only 24 were looked at" in gap for gap in found.gaps)
    assert any("zoo" in gap for gap in found.gaps)


def test_a_closer_look_is_bounded_and_stays_with_the_service(files: Path):
    """At most sixty points; another service's series cannot be asked for, and a wrong selector is told to the model."""

    async def go() -> None:
        at = context(Shared(), Metrics(str(files), selector='{service="shop"}', file="all.om.xz"))
        seen = await call(at, "query", series="latency_seconds", minutes=720)
        assert [one["series"] for one in seen["series"]] == ['latency_seconds{service="shop"}']
        assert len(seen["series"][0]["points"]) <= 61
        for wrong in ('latency_seconds{service="bank"}', "latency_seconds{", "nothing"):
            with pytest.raises(ToolError):
                await call(at, "query", series=wrong)
        with pytest.raises(ToolError, match="no neighbour"):
            await call(at, "query", series="latency_seconds", of="bank")
        with pytest.raises(ToolError, match="ISO 8601"):
            await call(at, "query", series="latency_seconds", until="yesterday")

    asyncio.run(go())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus on 127.0.0.1 with the three services' series."""
    if not (shutil.which("prometheus") and shutil.which("promtool")):
        pytest.skip("prometheus and promtool are not installed")
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "all.om").write_bytes(exposition("shop", "bank", "idle"))
    (folder / "prometheus.yml").write_text("global: {scrape_interval: 1m}\n")
    build = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "-q", "all.om", "data"]
    subprocess.run(build, cwd=folder, check=True, capture_output=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--storage.tsdb.retention.time=100y"]
    command = ["prometheus", *options, f"--web.listen-address=127.0.0.1:{port}"]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, cwd=folder, stdout=log, stderr=log) as running:
        try:
            _wait_for(f"http://127.0.0.1:{port}/-/ready")
            yield f"http://127.0.0.1:{port}"
        finally:
            running.terminate()


def _wait_for(url: str) -> None:
    for _ in range(300):
        try:
            with urllib.request.urlopen(url, timeout=2) as reply:
                if reply.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{url} was not there in 30 s")


def test_a_real_prometheus_says_the_same_as_the_file(server: str, files: Path):
    """Same findings, same citations, and each of them answers an instant query."""
    over_http, lost = answer(Metrics("", url=server, selector='{service="bank"}'))
    from_file, _ = answer(Metrics(str(files), selector='{service="bank"}', file="all.om.xz"))

    assert over_http.findings == from_file.findings
    assert lost == []


def test_a_real_prometheus_gives_neighbours_as_well(server: str):
    """The dependency is read over its own selector, once per host."""
    bank = Neighbour("bank", "dependency", url=server, selector='{service="bank"}')

    found, lost = answer(Metrics("", url=server, selector='{service="shop"}', neighbours=(bank,)))

    assert [(one.role, one.cause) for one in found.findings] == [("symptom", "bank")]
    assert lost == []


def test_a_real_prometheus_refuses_what_is_not_there(server: str):
    """A selector that matches nothing is absent, one that does not parse is refused, neither is healthy."""
    with pytest.raises(SourceError, match="absent behind the selector"):
        answer(Metrics("", url=server, selector='{service="nobody"}'))
    with pytest.raises(SourceError, match="selector"):
        answer(Metrics("", url=server, selector="{service="))
