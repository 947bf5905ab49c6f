"""Planted keys: in the environment, in a key file, in a URL, in what a provider echoes. Then all of it is searched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from jobs.sample import write_estate
from support.audits import muster
from support.canaries import held, texts_of, watched_processes
from support.collector import collecting
from support.messages_echo import ENVIRONMENT_KEY, FILE_KEY
from support.messages_server import Serving, serving

URL_SECRET = "canary-url-password-55556666"
CANARIES = (ENVIRONMENT_KEY, FILE_KEY, URL_SECRET)
PREFIX = "reliability-audit/"


@pytest.fixture(scope="module")
def provider() -> Iterator[Serving]:
    with serving() as server:
        yield server


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    write_estate(tmp_path / "estate", services=4, seed=3)
    return tmp_path / "estate" / "catalog-info.yaml"


@pytest.mark.parametrize("source", ["environment", "file"])
def test_a_key_is_in_nothing_that_a_run_leaves_says_or_shows(manifest, provider, tmp_path, source):
    """Run directory, transcripts of all, debug log, spans and metrics, process list: searched byte by byte.

    The provider quotes the key in its texts, in arguments that tools refuse by name, and in its answers.
    """
    key = ENVIRONMENT_KEY if source == "environment" else FILE_KEY
    faults = [{"kind": "server_error", "share": 0.1}, {"kind": "refusal", "share": 0.05}]
    provider.play({"answer": "support.messages_echo:answer", "faults": faults, "latency_ms": 20, "watch": [key]})
    key_file = tmp_path / "key"
    key_file.write_text(FILE_KEY)
    key_file.chmod(0o600)
    run_dir = tmp_path / "run"
    options = ["--model", "claude-sonnet-5-5", "--base-url", provider.url, "--run-dir", str(run_dir), "--local",
               "--transcripts", "all", *(["--key-file", str(key_file)] if source == "file" else [])]  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if name != "ANTHROPIC_API_KEY"}
    if source == "environment":
        environment["ANTHROPIC_API_KEY"] = key
    with collecting() as collector:
        command = [sys.executable, "-m", "jobs", "--log-level", "debug", "audit", str(manifest), *options]
        log = tmp_path / "log"
        with log.open("wb") as out, watched_processes() as listed:
            ended = subprocess.run(command, stdout=out, stderr=out, env={**environment, **collector.environment})
        sent = b"".join(collector.bodies)

    assert ended.returncode in (0, 3, 4)
    assert any(str(run_dir).encode() in line for line in listed.seen)
    assert not any(held(line, (key,)) for line in listed.seen)
    assert held(log.read_bytes(), (key,)) == []
    assert collector.spans
    assert held(sent, (key,)) == []
    searched = list(texts_of(run_dir))
    assert {path.parent.name for path, _ in searched} >= {"outcomes", "tasks", "transcripts", "ledger"}
    assert [path.name for path, text in searched if held(text, (key,))] == []
    assert provider.meter()["watched"] == 0


PASTED = "ghp_" + "c4nary" * 6
PASSWORD = "c4nary-pasted-7777"
PASTE = f"pushed with {PASTED}, then PGPASSWORD={PASSWORD} and https://ops:{PASSWORD}@db.example.org/"


def pasted_into(estate: Path) -> None:
    """The secrets, at the end of every text of every incident and on every line of every runbook's page."""
    for file in (estate / "incidents").glob("*.jsonl"):
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        for row in rows:
            row |= {name: f"{row[name]} {PASTE}" for name in ("title", "summary") if name in row}
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for page in (estate / "runbooks").rglob("*.md"):
        page.write_text("".join(f"{line} {PASTE}\n" for line in page.read_text().splitlines()))


@pytest.mark.parametrize("model", ["offline", "claude-sonnet-5-5"])
def test_secrets_that_somebody_pasted_into_a_source_go_no_further(manifest, provider, tmp_path, model):
    """Neither to the model's provider nor into the run or the cache: answers, transcripts and log say [secret]."""
    pasted_into(manifest.parent)
    cache = tmp_path / "cache"
    provider.play({"answer": "support.messages_audit:answer", "watch": [PASTED, PASSWORD]})
    ended = muster(
        "--log-level", "debug", "audit", manifest, "--model", model, "--base-url", provider.url, "--local",
        "--run-dir", tmp_path / "run", "--transcripts", "all", "--cache", cache, ANTHROPIC_API_KEY=ENVIRONMENT_KEY,
    )  # fmt: skip
    searched = [*texts_of(tmp_path / "run"), *texts_of(cache)]

    assert ended.status in (0, 3), ended.stderr
    assert held((ended.stderr + ended.stdout).encode(), (PASTED, PASSWORD)) == []
    assert [path.name for path, text in searched if held(text, (PASTED, PASSWORD))] == []
    assert any(b"[secret]" in text for path, text in searched if path.parent.name == "transcripts")
    assert any(b"[secret]" in text for _, text in texts_of(cache))
    assert provider.meter()["watched"] == 0


def test_a_password_in_a_prometheus_address_is_refused_and_not_repeated(manifest, tmp_path):
    """The manifest's reader says what is wrong without saying the secret."""
    entities = [entity for entity in yaml.safe_load_all(manifest.read_text()) if entity]
    notes = entities[0]["metadata"]["annotations"]
    notes[f"{PREFIX}prometheus-url"] = f"http://admin:{URL_SECRET}@127.0.0.1:9"
    notes[f"{PREFIX}prometheus-selector"] = '{service="x"}'
    notes.pop(f"{PREFIX}metrics-file", None)
    manifest.write_text(yaml.safe_dump_all(entities))

    ended = muster("audit", manifest, "--local", "--run-dir", tmp_path / "run")

    assert ended.status == 2
    assert "prometheus-url" in ended.stderr
    assert URL_SECRET not in ended.stderr + ended.stdout
    assert not (tmp_path / "run").exists() or not [
        p for p, text in texts_of(tmp_path / "run") if URL_SECRET.encode() in text
    ]


def test_a_password_in_the_models_address_is_refused_and_not_repeated(manifest, tmp_path):
    """Keys belong into the environment or a file of mode 600."""
    ended = muster(
        "audit", manifest, "--local", "--run-dir", tmp_path / "run", "--base-url", f"http://u:{URL_SECRET}@127.0.0.1:9",
        ANTHROPIC_API_KEY=ENVIRONMENT_KEY,
    )  # fmt: skip

    assert ended.status == 2
    assert "credentials" in ended.stderr
    assert not any(canary in ended.stderr for canary in CANARIES)


def test_with_content_off_the_log_has_no_input_and_no_output(manifest, provider, tmp_path):
    """Who, how long and how much: yes. What was asked and answered: no."""
    provider.play({"answer": "support.messages_audit:answer"})
    ended = muster(
        "--log-level", "info", "audit", manifest, "--model", "claude-sonnet-5-5", "--base-url", provider.url,
        "--run-dir", tmp_path / "run", "--local", "--log-content", "off", ANTHROPIC_API_KEY=ENVIRONMENT_KEY,
    )  # fmt: skip
    lines = [line for line in ended.stderr.splitlines() if "muster.subagent" in line]

    assert lines
    assert all('"task"' in line and '"tokens"' in line for line in lines)
    assert not any('"input"' in line or '"output"' in line or "looked_at" in line for line in lines)
