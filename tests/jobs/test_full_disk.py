"""A disk that is full: whatever meets it first, it is said, what was answered stays, and with room the run goes on."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.tables import outcome_batch
from budget.errors import RunDirectoryError
from jobs.sample import write_estate
from orchestrator.local_files import SPARE_BYTES, LocalFiles
from orchestrator.store import RunDirectory
from support.audits import Ended, answer_of, muster, summary_of
from support.small_disk import SmallDisk, small_disk
from support.tasks import a_result, a_task

SPARE_KB = SPARE_BYTES >> 10
ROOMY_KB = 4 * SPARE_KB


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("estate") / "sample"
    write_estate(folder, services=16, seed=3)
    return folder / "catalog-info.yaml"


@pytest.fixture(scope="module")
def calm(estate: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of an undisturbed audit."""
    run_dir = tmp_path_factory.mktemp("calm") / "run"
    assert muster("audit", estate, "--local", "--run-dir", run_dir).status == 0
    return run_dir


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", ROOMY_KB) as made:
        yield made


def audited_with_small_files(estate: Path, run_dir: Path, *, bytes_max: int) -> Ended:
    """An audit in a process none of whose files may grow larger."""
    command = [sys.executable, "-m", "jobs", "audit", estate, "--local", "--concurrency", "1", "--run-dir", run_dir]
    ended = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_max, resource.RLIM_INFINITY)),
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def statuses_of(run_dir: Path) -> dict[str, tuple[int, str, int]]:
    rows = RunDirectory.look(run_dir).effective().to_pylist()
    return {row["task_id"]: (row["attempt"], row["status"], row["spent_tokens"]) for row in rows}


def goes_on(run_dir: Path, calm: Path) -> None:
    """With room the run comes to the answer of an undisturbed one, and runs nothing again that was answered."""
    before = {task: said for task, said in statuses_of(run_dir).items() if said[1] == "ok"}

    ended = muster("resume", run_dir, "--local")

    assert ended.status == 0, ended.stderr
    assert answer_of(summary_of(run_dir)) == answer_of(summary_of(calm))
    assert before.items() <= statuses_of(run_dir).items()
    spent = sum(tokens for _, _, tokens in statuses_of(run_dir).values())
    assert summary_of(run_dir)["budget"]["spent_tokens"] >= spent


@pytest.mark.parametrize("room_kb", [100, 300])
def test_outcomes_that_were_paid_for_still_find_room(room_kb: int, disk: SmallDisk, estate: Path, calm: Path) -> None:
    """Room is set aside for what is under way. Status 3: the report is there, and names what is missing."""
    disk.resize(SPARE_KB + room_kb)
    run_dir = disk.path / "run"

    full = muster("audit", estate, "--local", "--run-dir", run_dir)
    kept, said = statuses_of(run_dir), summary_of(run_dir)
    disk.resize(ROOMY_KB)

    assert full.status == 3, full.stderr
    assert "Traceback" not in full.stderr
    assert said["status"].startswith("below_quorum: ")
    assert "No space left on device" in said["status"]
    assert "make room" in said["status"]
    assert sum(status == "ok" for _, status, _ in kept.values()) == said["coverage"]["tasks"]["succeeded"] > 0
    assert {status for _, status, _ in kept.values()} == {"ok", "cancelled"}
    assert len(kept) == said["coverage"]["tasks"]["planned"]
    goes_on(run_dir, calm)


def test_a_ledger_without_room_ends_the_batch_and_what_is_answered_is_kept(
    disk: SmallDisk, estate: Path, calm: Path, tmp_path: Path
) -> None:
    """Nothing is begun whose cost cannot be written down."""
    (disk.path / "ledger").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "ledger").symlink_to(disk.path / "ledger")
    disk.resize(12)

    full = muster("audit", estate, "--local", "--run-dir", tmp_path / "run")
    disk.resize(ROOMY_KB)

    assert full.status == 3, full.stderr
    assert "Traceback" not in full.stderr
    assert f"the ledger in {tmp_path}/run/ledger cannot be written" in summary_of(tmp_path / "run")["status"]
    assert "make room" in full.stderr
    goes_on(tmp_path / "run", calm)


def test_a_disk_that_is_full_before_anything_is_spent_is_the_callers_to_mend(disk: SmallDisk, estate: Path) -> None:
    """Status 2 and one sentence; nothing is left that looks like a run."""
    disk.resize(SPARE_KB - 100)

    full = muster("audit", estate, "--local", "--run-dir", disk.path / "run")

    assert full.status == 2
    assert f"muster: run directory '{disk.path}/run' cannot be written (No space left on device)" in full.stderr
    assert not (disk.path / "run" / "manifest.json").exists()


def test_without_room_set_aside_nothing_counts_that_is_not_durable(estate: Path, calm: Path, tmp_path: Path) -> None:
    """A limit on the size of files, which no room helps against, stands for a disk that somebody else fills."""
    full = audited_with_small_files(estate, tmp_path / "run", bytes_max=9_000)

    assert full.status == 4, full.stderr
    assert "make room" in full.stderr
    assert "Traceback" not in full.stderr
    assert "0/62 sub-agents" in full.stderr
    goes_on(tmp_path / "run", calm)


def test_a_report_that_cannot_be_written_is_written_by_resume(estate: Path, calm: Path, tmp_path: Path) -> None:
    """All is answered and paid for, and nothing can be used yet: status 4, and no task runs again."""
    (tmp_path / "run" / "report.md").mkdir(parents=True)

    full = muster("audit", estate, "--local", "--run-dir", tmp_path / "run")
    (tmp_path / "run" / "report.md").rmdir()
    kept = statuses_of(tmp_path / "run")
    state = json.loads(muster("show", tmp_path / "run", "--json").stdout)

    assert full.status == 4, full.stderr
    assert "report     not written" in full.stderr
    assert "make room" in full.stderr
    assert len(kept) == 62
    assert state["state"] == "died"
    goes_on(tmp_path / "run", calm)
    assert statuses_of(tmp_path / "run") == kept


class NoRoomForParquet(LocalFiles):
    """A disk that is full when a compaction comes."""

    def put(self, name: str, data: object, *, durable: bool) -> None:
        if name.endswith(".parquet"):
            raise OSError(28, "No space left on device")
        LocalFiles.put(self, name, data, durable=durable)  # type: ignore[arg-type]


def test_a_compaction_without_room_leaves_the_segments_as_they_are(tmp_path: Path) -> None:
    """Nothing is lost by it, and the next one does it."""
    directory = RunDirectory.create(NoRoomForParquet(tmp_path), manifest={"run_id": "r"})
    for attempt in (1, 2):
        directory.append_outcomes([outcome_batch([a_result(a_task("a", attempt=attempt))])])
    names = directory.files.names("outcomes")

    with pytest.raises(RunDirectoryError, match="make room"):
        directory.compact()
    directory.close()

    assert LocalFiles(tmp_path).names("outcomes") == names
    again = RunDirectory.reopen(tmp_path)
    again.compact()
    assert [row["attempt"] for row in again.effective().to_pylist()] == [2]
    again.close()
