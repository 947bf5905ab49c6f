"""A job's work as it travels to drivers: its input is read where they are, and need not be read from YAML again."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from budget.errors import ManifestError
from jobs.audit_job import AuditJob
from jobs.sharded import JobWork
from orchestrator.settings import Settings
from orchestrator.shards import Shard
from orchestrator.store import RunDirectory
from support.manifests import component

NOW_S = 1.5e9
ASKED: dict[str, Any] = {"question": "", "batch_id": "b", "settings": Settings(mode="local")}


def begun(folder: Path) -> JobWork:
    """A batch's work, of which nothing has been read yet in this process."""
    folder.mkdir(exist_ok=True)
    manifest = folder / "catalog-info.yaml"
    manifest.write_text("\n---\n".join([component("cart", git="a.git"), component("mail", git="b.git")]))
    plan = AuditJob().plan(manifest, now_s=NOW_S, **ASKED)
    directory = RunDirectory.create(folder / "run", manifest={"run_id": "r"})
    directory.keep_input(plan.kept())
    directory.close()
    return JobWork(
        job=AuditJob(), source=manifest, run_dir=folder / "run", began_s=NOW_S, fingerprint=plan.fingerprint, **ASKED
    )


def owners(work: JobWork) -> dict[str, Any]:
    return {run.id: run.context["owner"] for run in work.runs(Shard())}


def test_drivers_take_the_input_that_was_kept(tmp_path: Path) -> None:
    """What is in it tells that it is not read from YAML; where it is damaged, it is."""
    work, again = begun(tmp_path / "a"), begun(tmp_path / "b")
    file = tmp_path / "a" / "run" / "input.json.gz"
    kept = json.loads(gzip.decompress(file.read_bytes()))
    file.write_bytes(gzip.compress(json.dumps(kept).replace("team-a", "team-kept").encode()))
    (tmp_path / "b" / "run" / "input.json.gz").write_bytes(b"torn")

    assert owners(work) == {"cart": "team-kept", "mail": "team-kept"}
    assert owners(again) == {"cart": "team-a", "mail": "team-a"}


def test_an_input_that_has_changed_since_is_refused(tmp_path: Path) -> None:
    """Also where the old one is kept: drivers of one batch work on one input."""
    work = begun(tmp_path)
    with work.source.open("a") as file:
        file.write("\n# another line\n")

    with pytest.raises(ManifestError, match="another one for this driver than for the batch"):
        owners(work)
