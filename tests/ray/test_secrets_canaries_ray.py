"""Planted keys on an embedded Ray: its logs, its dashboard's lists, the process list, and all that a run leaves."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.sample import write_estate
from support.canaries import held, texts_of, watched_processes
from support.collector import collecting
from support.messages_echo import ENVIRONMENT_KEY, FILE_KEY
from support.messages_server import serving

STATES = ("actors", "workers", "jobs", "tasks", "nodes", "objects", "runtime_envs")
LISTS = [f"/api/v0/{name}?detail=1" for name in STATES]
LISTS += ["/api/jobs/", "/nodes?view=details", "/logical/actors"]
ADDRESS = re.compile(r"http address: (127\.0\.0\.1:\d+)")
DASHBOARD_TOKEN = "dashboard-token-of-this-test-0123456789"


@pytest.fixture
def ray_folder() -> Iterator[Path]:
    """Where Ray keeps its session: a short path, since its sockets lie below it."""
    folder = Path(tempfile.mkdtemp(prefix="muster-"))
    yield folder
    shutil.rmtree(folder)


def shown(ray_folder: Path, process: subprocess.Popen[bytes]) -> dict[str, bytes]:
    """What the dashboard of the cluster under `ray_folder` lists until `process` ends: the longest answer of each."""
    longest: dict[str, bytes] = {}
    while process.poll() is None:
        time.sleep(0.3)
        for log in ray_folder.glob("ray/session_*/logs/dashboard.log"):
            for address in ADDRESS.findall(log.read_text()):
                for path in LISTS:
                    body = listed(f"http://{address}{path}")
                    longest[path] = max(longest.get(path, b""), body, key=len)
    return longest


def listed(url: str) -> bytes:
    """One answer of the dashboard; nothing while it is not there yet, or no more."""
    asked = urllib.request.Request(url, headers={"Authorization": f"Bearer {DASHBOARD_TOKEN}"})
    try:
        with urllib.request.urlopen(asked, timeout=10) as reply:
            return bytes(reply.read())
    except (urllib.error.URLError, OSError):
        return b""


@pytest.mark.slow
@pytest.mark.parametrize("source", ["environment", "file"])
def test_on_ray_a_key_is_in_nothing_left_listed_or_logged(source: str, tmp_path: Path, ray_folder: Path) -> None:
    """Ray's session logs, actors, tasks, workers, jobs and runtime environments; command lines; the run; spans."""
    write_estate(tmp_path / "estate", services=4, seed=3)
    key = ENVIRONMENT_KEY if source == "environment" else FILE_KEY
    key_file = tmp_path / "key"
    key_file.write_text(FILE_KEY)
    key_file.chmod(0o600)
    environment = {name: value for name, value in os.environ.items() if name != "ANTHROPIC_API_KEY"}
    environment |= {"RAY_TMPDIR": str(ray_folder), "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": DASHBOARD_TOKEN}
    environment |= {"ANTHROPIC_API_KEY": ENVIRONMENT_KEY} if source == "environment" else {}
    faults = [{"kind": "server_error", "share": 0.1}, {"kind": "refusal", "share": 0.05}, {"kind": "reset", "first": 1}]
    plan = {"answer": "support.messages_echo:answer", "faults": faults, "latency_ms": 500, "watch": [key]}
    log = tmp_path / "log"
    with collecting() as collector, serving() as server, log.open("wb") as out, watched_processes() as processes:
        server.play(plan)  # not as an argument: that would put the keys into the process list
        command = [
            sys.executable, "-m", "jobs", "--log-level", "debug", "audit", str(tmp_path / "estate/catalog-info.yaml"),
            "--model", "claude-sonnet-5-5", "--base-url", server.url, "--run-dir", str(tmp_path / "run"), "--dashboard",
            "--transcripts", "all", *(["--key-file", str(key_file)] if source == "file" else []),
        ]  # fmt: skip
        process = subprocess.Popen(command, stdout=out, stderr=out, env={**environment, **collector.environment})
        lists = shown(ray_folder, process)
        meter = server.meter()

    assert process.returncode in (0, 3), log.read_text()
    actors = json.loads(lists["/api/v0/actors?detail=1"])["data"]["result"]["result"]
    assert {actor["class_name"] for actor in actors} == {"HostActor", "BudgetActor"}
    assert {path for path, body in lists.items() if body} >= {path for path in LISTS if path.startswith("/api")}
    assert [path for path, body in lists.items() if held(body, (key,))] == []
    assert any(b"raylet" in line for line in processes.seen)
    assert not any(held(line, (key,)) for line in processes.seen)
    sessions = list(texts_of(ray_folder))
    assert {"raylet.out", "dashboard.log", "gcs_server.out"} <= {path.name for path, _ in sessions}
    assert [path.name for path, text in sessions if held(text, (key,))] == []
    run = list(texts_of(tmp_path / "run"))
    assert {path.parent.name for path, _ in run} >= {"outcomes", "tasks", "transcripts", "ledger"}
    assert [path.name for path, text in run if held(text, (key,))] == []
    assert collector.spans
    assert held(b"".join(collector.bodies), (key,)) == []
    assert held(log.read_bytes(), (key,)) == []
    assert meter["requests"] > meter["watched"] == 0
