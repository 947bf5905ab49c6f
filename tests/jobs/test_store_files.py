"""Where a run directory may lie: this disk, or any file system that pyarrow knows."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import fs

from actors.contracts import Result
from actors.tables import outcome_batch
from budget.errors import RunDirectoryError
from jobs.listing import list_states
from orchestrator.local_files import LocalFiles
from orchestrator.object_files import ObjectFiles
from orchestrator.segments import Stamp, segment
from orchestrator.store import RunDirectory
from orchestrator.store_files import Files, without_credentials
from support.tasks import a_failure, a_result, a_task

Place = Callable[[Path], Files]


def local(path: Path) -> Files:
    return LocalFiles(path)


def remote(path: Path) -> ObjectFiles:
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
def test_many_portions_are_merged_into_what_sorting_them_at_once_gives(place: Place, tmp_path: Path) -> None:
    """Compaction keeps little in memory; the rows are those that readers saw before, in order."""
    directory = RunDirectory.create(place(tmp_path), manifest={"run_id": "r"})
    names = [f"{n * 7_919 % 10_007:05d}" for n in range(10_007)]
    for begin in range(0, len(names), 1_000):
        directory.append_outcomes([outcome_batch(rows(*names[begin : begin + 1_000]))])
    directory.append_outcomes([outcome_batch(rows(*names[:50], attempt=2))])
    before = directory.effective()

    directory.compact()

    assert pa.Table.from_batches(directory.outcomes()).equals(before)
    assert sum(batch.num_rows for batch in directory.history()) == 50
    directory.close()


@places
def test_outcomes_that_were_read_hold_no_files_open(place: Place, tmp_path: Path) -> None:
    """A resumed driver keeps rows of thousands of segments, small and large, and a process may open few files."""
    directory = RunDirectory.create(place(tmp_path), manifest={"run_id": "r"})
    large = [a_result(a_task(f"large-{n}"), answer=json.dumps("x" * 600_000)) for n in range(3)]
    for row in [*large, *rows(*(f"small-{n}" for n in range(40)))]:
        directory.append_outcomes([outcome_batch([row])])
    before = len(os.listdir("/proc/self/fd"))

    found = list(directory.outcomes())

    assert len(os.listdir("/proc/self/fd")) == before
    assert found[0].column("answer")[0].as_py() == large[0].answer
    directory.close()


@places
def test_a_file_that_comes_in_parts_is_whole_or_the_one_before_it(place: Place, tmp_path: Path) -> None:
    """Whoever reads summary.json while it is written anew, or after its writer died, reads an answer."""
    directory = RunDirectory.create(place(tmp_path), manifest={"run_id": "r"})

    def cut_short() -> Iterator[bytes]:
        yield b'{"status": '
        assert directory.summary() == {"status": "before"}
        raise RunDirectoryError("the sources are gone")

    name = directory.write_parts("summary.json", iter([b'{"status": ', b'"before"}']))
    with pytest.raises(RunDirectoryError, match="gone"):
        directory.write_parts("summary.json", cut_short())

    assert name == f"{directory.shown}/summary.json"
    assert directory.summary() == {"status": "before"}
    assert not list(tmp_path.rglob(".compaction-*"))
    directory.close()


@pytest.mark.parametrize("name", ["999999999999-00000000.arrow", "99999999-00000000.parquet", "00009999.arrow"])
def test_the_number_of_a_file_that_is_none_of_ours_changes_nothing(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What is added after it is read, also after the next opening, and nothing is missed that never was."""
    RunDirectory.create(tmp_path / "run", manifest={"run_id": "r"}).close()
    (tmp_path / "run" / "outcomes" / name).write_text("garbage")

    for task in ("a", "b"):
        directory = RunDirectory.reopen(tmp_path / "run")
        directory.append_outcomes([outcome_batch(rows(task))])
        directory.close()
    directory = RunDirectory.reopen(tmp_path / "run")
    directory.compact()

    assert ids_of(directory) == [("r/a", 1), ("r/b", 1)]
    assert [line.getMessage() for line in caplog.records if "missing" in line.getMessage()] == []
    directory.close()


def test_a_parquet_that_was_torn_may_be_brought_back(tmp_path: Path) -> None:
    """What was done meanwhile comes after it, and counts as well."""
    directory = RunDirectory.create(tmp_path / "run", manifest={"run_id": "r"})
    for task in ("a", "b"):
        directory.append_outcomes([outcome_batch(rows(task))])
    directory.compact()
    directory.close()
    (table,) = (tmp_path / "run" / "outcomes").iterdir()
    whole = table.read_bytes()
    table.write_bytes(whole[:100])
    directory = RunDirectory.reopen(tmp_path / "run")
    directory.append_outcomes([outcome_batch(rows("a", attempt=2))])
    directory.close()
    table.write_bytes(whole)

    directory = RunDirectory.reopen(tmp_path / "run")
    directory.append_outcomes([outcome_batch(rows("c"))])
    directory.compact()

    assert ids_of(directory) == [("r/a", 2), ("r/b", 1), ("r/c", 1)]
    directory.close()


def test_what_is_no_file_is_set_aside_or_named(tmp_path: Path) -> None:
    """Among outcomes a socket, or a folder named as a leftover, is one stranger more; elsewhere it is in the way."""
    RunDirectory.create(tmp_path / "run", manifest={"run_id": "r"}).close()
    (tmp_path / "run" / "outcomes" / ".1.tmp").mkdir()
    (tmp_path / "run" / ".compaction-x").write_text("mine")
    with socket.socket(socket.AF_UNIX) as one, contextlib.chdir(tmp_path / "run" / "outcomes"):
        one.bind("00000001-00000000.arrow")

    RunDirectory.reopen(tmp_path / "run").close()
    shutil.rmtree(tmp_path / "run" / "tasks")
    (tmp_path / "run" / "tasks").write_text("in the way")
    with pytest.raises(RunDirectoryError, match=r"run/tasks'\): what is in it is kept; make room or repair it"):
        RunDirectory.reopen(tmp_path / "run")

    aside = sorted(file.name for file in (tmp_path / "run" / "set-aside").iterdir())
    assert aside == ["outcomes-.1.tmp.torn", "outcomes-00000001-00000000.arrow.torn"]
    assert (tmp_path / "run" / ".compaction-x").read_text() == "mine"


class Guarded(LocalFiles):
    """Folders of which one is not this user's to read."""

    def below(self, folder: str) -> Guarded:
        return Guarded(self.path / folder)

    def exists(self, name: str) -> bool:
        if self.path.name == "theirs":
            raise PermissionError(errno.EACCES, "Permission denied", str(self.path / name))
        return super().exists(name)


def test_a_run_that_cannot_be_looked_at_is_listed_as_such_beside_the_others(tmp_path: Path) -> None:
    """One run of another user hides no others, and a folder that holds none is not named."""
    RunDirectory.create(tmp_path / "ours", manifest={"run_id": "r"}).close()
    (tmp_path / "theirs").mkdir()
    (tmp_path / "none").mkdir()

    found = {Path(state.run_dir).name: state for state in list_states(Guarded(tmp_path))}

    assert found.keys() == {"ours", "theirs"}
    assert "theirs/manifest.json" in found["theirs"].problem


def test_a_newer_versions_run_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    """To set its outcomes aside would be to pay for them again."""
    RunDirectory.create(tmp_path / "run", manifest={"run_id": "r"}).close()
    batch = outcome_batch(rows("a")).append_column("mood", pa.array(["fair"]))
    name, data = segment(Stamp("r", "outcomes", 1), batch.schema, [batch])
    (tmp_path / "run" / "outcomes" / name).write_bytes(data.to_pybytes())

    with pytest.raises(RunDirectoryError, match="newer version"):
        RunDirectory.reopen(tmp_path / "run")
    with pytest.raises(RunDirectoryError, match="newer version"):
        RunDirectory.look(tmp_path / "run").effective()

    assert (tmp_path / "run" / "outcomes" / name).exists()


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


def a_lease(files: ObjectFiles, **said: object) -> None:
    files.prepare(("lock",))
    files.write_lease("0", json.dumps({"held": True, **said}).encode())


def test_a_lease_of_a_process_that_has_ended_is_taken_over_at_once(tmp_path: Path) -> None:
    """After a kill nobody waits for two minutes on the same machine; its number may be another process's by now."""
    files = remote(tmp_path)
    first = remote(tmp_path)
    assert first.lock()
    (own,) = first.leases()
    first.unlock()
    a_lease(files, machine=own.said["machine"], pid=own.said["pid"], started="1")

    assert files.lock()
    files.unlock()


def test_a_lease_of_another_machine_counts_until_it_lapses(tmp_path: Path) -> None:
    """Nobody can see from here whether that process lives."""
    files = remote(tmp_path)
    a_lease(files, machine="elsewhere", pid=1)
    lease = tmp_path / "run" / "lock" / "0"

    while_it_lasts = files.lock()
    os.utime(lease, (lease.stat().st_mtime - 121,) * 2)

    assert not while_it_lasts
    assert files.lock()
    files.unlock()


def test_of_many_who_come_at_once_one_gets_the_directory(tmp_path: Path) -> None:
    """Never two, whoever lists before whom."""
    comers = [remote(tmp_path) for _ in range(6)]

    with ThreadPoolExecutor(len(comers)) as threads:
        got = list(threads.map(lambda files: files.lock(), comers))

    assert sum(got) == 1
    comers[got.index(True)].unlock()


def test_credentials_are_not_shown_and_the_way_there_is() -> None:
    """Whoever reads `muster resume …` in a message can say so; of parameters only those that lead there are shown."""
    address = "s3://bucket/runs/a?endpoint_override=http://127.0.0.1:9000"

    shown = without_credentials("s3://user:secret@bucket/runs/a?endpoint_override=http://me:pw@127.0.0.1:9000&key=hush")

    assert shown == address
    assert without_credentials(address) == address


def test_credentials_in_a_uri_are_refused() -> None:
    """Every process list would show them."""
    with pytest.raises(RunDirectoryError, match="AWS_ACCESS_KEY_ID") as refused:
        RunDirectory.look("s3://user:hush@bucket/run")

    assert "hush" not in str(refused.value)


def test_a_uri_of_an_unknown_kind_is_said_in_a_sentence() -> None:
    with pytest.raises(RunDirectoryError, match="cannot be reached"):
        RunDirectory.look("nowhere://bucket/run")
