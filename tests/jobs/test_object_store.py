"""Audits whose run directory lies on an S3-compatible server: killed, resumed, looked at, cut off, turned away."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.sample import write_estate
from support.audits import Ended, muster, stable, summary_of
from support.object_store import BUCKET, ObjectStore, Wire, object_store

SERVICES = 16
SPENT = ("budget", "status")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    with object_store(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("estate") / "sample"
    write_estate(folder, services=SERVICES, seed=3)
    return folder / "catalog-info.yaml"


@pytest.fixture(scope="module")
def calm(estate: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of an undisturbed audit, on the disk."""
    run_dir = tmp_path_factory.mktemp("calm") / "run"
    assert muster("audit", estate, "--local", "--run-dir", run_dir).status == 0
    return run_dir


def begun(estate: Path, uri: str, store: ObjectStore, path: str, *, segments: int = 4) -> subprocess.Popen[str]:
    """An audit under way, that has made some outcomes durable."""
    command = ["--log-level", "debug", "audit", estate, "--local", "--concurrency", "1", "--run-dir", uri]
    process = subprocess.Popen(
        [sys.executable, "-m", "jobs", *map(str, command)],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **store.environment},
    )
    while sum(name.startswith("outcomes/") for name in store.objects(path)) < segments:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    return process


def answer_of(summary: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in stable(summary).items() if name not in SPENT}


def refused(ended: Ended) -> str:
    """The one sentence that a command ended with."""
    assert ended.status == 2, ended
    assert "Traceback" not in ended.stderr
    (line,) = ended.stderr.strip().splitlines()
    return line


def test_an_audit_in_an_object_store_is_killed_resumed_listed_shown_and_compared(
    store: ObjectStore, estate: Path, calm: Path
) -> None:
    """All commands take the URI; the second process is told; nothing that is left has the credentials in it."""
    uri, secrets = store.uri("a/run"), [value for name, value in store.environment.items() if name != "HOME"]
    process = begun(estate, uri, store, "a/run")
    process.send_signal(signal.SIGSTOP)
    second = muster("resume", uri, **store.environment)
    running = json.loads(muster("show", uri, "--json", **store.environment).stdout)
    listed_processes = subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    process.kill()
    _, said = process.communicate()
    died = json.loads(muster("show", uri, "--json", **store.environment).stdout)
    before = store.objects("a/run")

    ended = muster("--log-level", "debug", "resume", uri, "--json", **store.environment)
    after = store.objects("a/run")
    listed = json.loads(muster("list", store.uri("a"), "--json", **store.environment).stdout)
    compared = json.loads(muster("compare", calm, uri, "--json", **store.environment).stdout)

    assert "in use by another process" in refused(second)
    assert (running["state"], died["state"]) == ("running", "died")
    assert died["statuses"]["ok"] > 0
    assert ended.status == 0, ended.stderr
    assert answer_of(json.loads(after["summary.json"])) == answer_of(summary_of(calm))
    assert [name.rpartition(".")[2] for name in after if name.startswith("outcomes/")] == ["parquet"]
    assert any(name.startswith("outcomes/") and name.endswith(".arrow") for name in before)
    assert not any(name.startswith(("lock/", "set-aside/")) for name in after)
    assert [(run["state"], run["run_dir"]) for run in listed] == [
        ("finished", uri.replace("&region=us-east-1", "") + "&region=us-east-1")
    ]
    assert compared["changed"] == []
    left = [*before.values(), *after.values(), ended.stderr.encode(), said.encode(), listed_processes.encode()]
    assert not [secret for secret in secrets if any(secret.encode() in one for one in left)]


@pytest.mark.parametrize(
    ("command", "mistake", "said"),
    [
        ("show", "nobody listens", "Could not connect"),
        ("audit", "nobody listens", "Could not connect"),
        ("list", "no bucket", "no bucket 'elsewhere'"),
        ("audit", "no bucket", "no such bucket"),
        ("resume", "wrong key", "access denied"),
        ("audit", "wrong key", "the signature you provided"),
        ("list", "no key", "http status 500"),
    ],
)
def test_a_store_that_cannot_be_used_is_said_in_one_sentence(
    command: str, mistake: str, said: str, store: ObjectStore, estate: Path
) -> None:
    """Status 2 within seconds, and nothing is spent."""
    port = 1 if mistake == "nobody listens" else None
    uri = store.uri("never/run", port=port, bucket="elsewhere" if mistake == "no bucket" else BUCKET)
    environment = dict(store.environment)
    if mistake == "wrong key":
        environment["AWS_SECRET_ACCESS_KEY"] = "not-the-one"
    if mistake == "no key":
        environment |= {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"}
    rest = [estate, "--local", "--run-dir", uri] if command == "audit" else [uri]

    ended = muster(command, *rest, timeout_s=60, **environment)

    assert said in refused(ended)


def test_a_store_that_vanishes_under_an_audit_ends_it_and_the_run_goes_on_when_it_is_back(
    store: ObjectStore, estate: Path, calm: Path
) -> None:
    """As with a full disk: a clear error, what is there is kept, and the rest is done later."""
    wire = Wire(store.port)
    wire.lay()
    uri = store.uri("b/run", port=wire.port)
    process = begun(estate, uri, store, "b/run")
    wire.cut()
    _, said = process.communicate(timeout=120)
    wire.lay()

    ended = muster("resume", uri, **store.environment)
    wire.cut()

    assert process.returncode in (3, 4), said
    assert "Could not connect" in said
    assert "muster resume" in said
    assert "Traceback" not in said
    assert ended.status == 0, ended.stderr
    assert answer_of(json.loads(store.objects("b/run")["summary.json"])) == answer_of(summary_of(calm))
