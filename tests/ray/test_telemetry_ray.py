"""The batch's metrics as a scraper of the cluster finds them: Ray's own, under the four names, with closed labels."""

from __future__ import annotations

import re
import time
import urllib.error
import urllib.request

import ray

from orchestrator.ray_meter import RayMeter
from orchestrator.telemetry import FAILURES, LABELS, SUBAGENT_DURATION, SUBAGENT_TOKENS, SUBAGENTS_PER_RUN
from support.small_ray import small_ray

OF_RAY = {
    "otel_scope_name",
    "otel_scope_version",
    "otel_scope_schema_url",
    "Component",
    "NodeAddress",
    "SessionName",
    "Version",
    "WorkerId",
    "JobId",
    "le",
    "NodeId",
    "IsHeadNode",
}
LABEL = re.compile(r'(\w+)="')


def scraped(names: list[str], within_s: float) -> str:
    """What this node exports, as soon as all of `names` are in it."""
    port, text = ray.nodes()[0]["MetricsExportPort"], ""
    until_s = time.monotonic() + within_s
    while time.monotonic() < until_s and not all(f"ray_{name}" in text for name in names):
        time.sleep(0.5)
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as response:
                text = response.read().decode()
        except urllib.error.URLError:
            continue
    return text


def test_ray_exports_the_four_names_with_closed_labels_and_whole_sums():
    """What was counted is there once, beside Ray's own labels and no others."""
    with small_ray():
        meter = RayMeter()
        for status, tokens in (("ok", 700.0), ("ok", 300.0), ("failed", 0.0)):
            meter.count(SUBAGENT_TOKENS, tokens, {"agent_id": "code", "status": status})
            meter.observe(SUBAGENT_DURATION, 0.3, {"agent_id": "code"})
        meter.count(FAILURES, 1, {"agent_id": "code", "reason": "timeout"})
        meter.observe(SUBAGENTS_PER_RUN, 3, {})
        names = [SUBAGENT_TOKENS, SUBAGENT_DURATION, FAILURES, SUBAGENTS_PER_RUN]
        lines = [line for line in scraped(names, 60.0).splitlines() if line.startswith("ray_")]

    for name in names:
        ours = [line for line in lines if line.startswith(f"ray_{name}")]
        assert ours, name
        assert {label for line in ours for label in LABEL.findall(line)} <= OF_RAY | set(LABELS[name])
    (spent,) = [line for line in lines if line.startswith(f"ray_{SUBAGENT_TOKENS}{{")]
    (count,) = [line for line in lines if line.startswith(f"ray_{SUBAGENT_DURATION}_count")]
    assert float(spent.rpartition(" ")[2]) == 1_000
    assert float(count.rpartition(" ")[2]) == 3
