"""Where a run directory may lie: this disk, or any file system that pyarrow knows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pyarrow import fs

from actors.contracts import Result
from actors.tables import outcome_batch
from budget.errors import RunDirectoryError
from orchestrator.store import RunDirectory
from orchestrator.store_files import Files, LocalFiles, ObjectFiles, without_credentials
from support.tasks import a_failure, a_result, a_task

Place = Callable[[Path], Files]


def local(path: Path) -> Files:
    return LocalFiles(path)


def remote(path: Path) -> Files:
    """Not a disk to us: a file system behind pyarrow's interface, which has no locks and no sync."""
    return ObjectFiles(fs.SubTreeFileSystem(str(path), fs.LocalFileSystem()), "run", "store://bucket/run")


places = pytest.mark.parametrize("place", [local, remote])


def rows(*names: str, attempt: int = 1) -> list[Result]:
    return [a_result(a_task(name, attempt=attempt)) for name in names]


def ids_of(directory: RunDirectory) -> list[tuple[str, int]]:
    table = directory.effective()
    return list(zip(table.column("task_id").to_pylist(), table.column("attempt").to_pylist(), strict=True))


@places
def test_what_was_appended_is_read_again_and_the_latest_attempt_counts(place: Place, tmp_path: Path) -> None:
    """History is kept beside it."""
    first = RunDirectory.create(place(tmp_path), manifest={"run_id": "r"})
    first.append_outcomes([outcome_batch([a_failure(a_task("a")), *rows("b")])])
    first.close()

    second = RunDirectory.reopen(place(tmp_path))
    second.append_outcomes([outcome_batch(rows("a", attempt=2))])

    assert ids_of(second) == [("r/a", 2), ("r/b", 1)]
    assert sum(batch.num_rows for batch in second.outcomes()) == 3
    assert second.manifest() == {"run_id": "r"}


@places
def test_a_finished_run_is_one_parquet_file_and_its_history_another(place: Place, tmp_path: Path) -> None:
    """Readers find the same rows, and appending goes on after it."""
    files = place(tmp_path)
    directory = RunDirectory.create(files, manifest={})
    directory.append_outcomes([outcome_batch(rows("b", "a"))])
    directory.append_outcomes([outcome_batch(rows("a", attempt=2))])

    directory.compact()
    directory.append_outcomes([outcome_batch(rows("c"))])

    assert [name.rpartition(".")[2] for name in files.names("outcomes")] == ["parquet", "arrow"]
    assert ids_of(directory) == [("r/a", 2), ("r/b", 1), ("r/c", 1)]
    assert [row["attempt"] for batch in directory.history() for row in batch.to_pylist()] == [1]


@places
def test_segments_that_a_crash_left_beside_their_parquet_do_not_count_twice(place: Place, tmp_path: Path) -> None:
    """Compaction may die after its file is whole and before it has removed the segments."""
    files = place(tmp_path)
    directory = RunDirectory.create(files, manifest={})
    directory.append_outcomes([outcome_batch(rows("a", "b"))])
    (name,) = files.names("outcomes")
    segment = files.read(f"outcomes/{name}").to_pybytes()
    directory.compact()
    files.put(f"outcomes/{name}", segment, durable=True)

    found = [row["task_id"] for batch in directory.outcomes() for row in batch.to_pylist()]

    assert sorted(found) == ["r/a", "r/b"]


@places
def test_only_one_works_on_a_directory_and_a_look_changes_nothing(place: Place, tmp_path: Path) -> None:
    """Who comes second is told; when the first is gone, the next may."""
    first = RunDirectory.create(place(tmp_path), manifest={})

    with pytest.raises(RunDirectoryError, match="in use by another process"):
        RunDirectory.reopen(place(tmp_path))
    seen = RunDirectory.look(place(tmp_path)).in_use
    first.close()

    assert seen
    assert not RunDirectory.look(place(tmp_path)).in_use
    RunDirectory.reopen(place(tmp_path)).close()


def test_a_lease_whose_holder_is_gone_is_taken_over(tmp_path: Path) -> None:
    """After a kill nobody waits for two minutes on the same machine, and elsewhere until it lapses."""
    files = remote(tmp_path)
    files.prepare(("outcomes",))
    gone = {"token": "x", "host": "elsewhere", "pid": 1, "until_s": 0.0}
    files.put(".lock", json.dumps(gone).encode(), durable=True)

    assert files.lock()


def test_credentials_are_not_shown() -> None:
    """A URI may hold a key; messages and the manifest do not."""
    shown = without_credentials("s3://user:secret@bucket/runs/a?endpoint_override=127.0.0.1:9000")

    assert shown == "s3://bucket/runs/a"


def test_a_uri_of_an_unknown_kind_is_said_in_a_sentence() -> None:
    with pytest.raises(RunDirectoryError, match="cannot be reached"):
        RunDirectory.look("nowhere://bucket/run")
