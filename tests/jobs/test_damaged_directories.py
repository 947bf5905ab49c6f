"""Every file of a run directory, damaged in every way: the run goes on without a lie, or says in a sentence why not.

What holds whatever is damaged: no traceback; what is refused is refused with status 2; what is set aside is named; a
task whose row is still there is not run again; and what is known to be spent stays spent.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from jobs.sample import write_estate
from orchestrator.store import RunDirectory
from support.audits import answer_of, killed_audit, muster, summary_of
from support.forked import forked

Damage: TypeAlias = Callable[[Path, Path], None]  # of a file, beside another run's directory
TABLES = ("outcomes", "tasks", "transcripts", "history")
WRITTEN_LAST = ("report.md", "summary.json")  # what is in their way is found when all is answered
CUTS = 12  # places of each file at which it is cut, and at which a bit of it is turned


@dataclass(frozen=True, slots=True)
class World:
    """Two runs of one estate: one that was killed and one that has ended, and what an undisturbed one said."""

    estate: Path
    killed: Path
    ended: Path
    scratch: Path

    def run(self, name: str) -> Path:
        return self.killed if name == "killed" else self.ended

    def other(self, name: str) -> Path:
        return self.ended if name == "killed" else self.killed


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("damage")
    write_estate(folder / "estate", services=4, seed=3)
    manifest = folder / "estate" / "catalog-info.yaml"
    (gone,) = sorted((folder / "estate").rglob("*.git"))[:1]
    gone.rename(gone.with_suffix(".away"))
    command = ("audit", manifest, "--local", "--transcripts", "all", "--run-dir", folder / "ended")
    assert muster(*command).status in (0, 3)
    gone.with_suffix(".away").rename(gone)
    assert muster("retry", folder / "ended", "--failed-only").status == 0  # so that there is a history
    killed_audit(manifest, folder / "killed", "--transcripts", "all", segments=6)
    (folder / "scratch").mkdir()
    return World(manifest, folder / "killed", folder / "ended", folder / "scratch")


def cut(at: float) -> Damage:
    def damage(file: Path, _: Path) -> None:
        data = file.read_bytes()
        file.write_bytes(data[: int(at * max(0, len(data) - 1))])

    return damage


def turn(at: float) -> Damage:
    def damage(file: Path, _: Path) -> None:
        data = bytearray(file.read_bytes())
        if data:
            data[int(at * (len(data) - 1))] ^= 0x10
        file.write_bytes(bytes(data))

    return damage


def remove(file: Path, _: Path) -> None:
    file.unlink()


def double(file: Path, _: Path) -> None:
    """Under a number of its own, where names have one."""
    digits, dash, rest = file.name.partition("-")
    number = f"{int(digits) + 50:08d}" if digits.isdigit() else f"copy of {digits}"
    shutil.copy(file, file.with_name(f"{number}{dash}{rest}"))


def replace_by_folder(file: Path, _: Path) -> None:
    file.unlink()
    file.mkdir()


def replace_by_link(file: Path, _: Path) -> None:
    file.rename(file.parent.parent / "moved")
    file.symlink_to(file.parent.parent / "moved")


def replace_by_another_runs(file: Path, other: Path) -> None:
    theirs = sorted(other.glob(f"{file.parent.name}/*{file.suffix}")) or [other / file.name]
    if file.parent.name in TABLES and theirs[0].is_file():
        file.unlink()
        shutil.copy(theirs[0], file.with_name(theirs[0].name))
    elif (other / file.name).is_file():
        shutil.copy(other / file.name, file)


WHOLE: dict[str, Damage] = {
    "removed": remove,
    "doubled": double,
    "emptied": lambda file, _: file.write_bytes(b"") and None,
    "a folder": replace_by_folder,
    "a link": replace_by_link,
    "another run's": replace_by_another_runs,
}
PLACED = {
    f"{name} at {n}/{CUTS}": make(n / CUTS) for name, make in (("cut", cut), ("turned", turn)) for n in range(CUTS + 1)
}
ALL = WHOLE | PLACED


def files_of(run: Path) -> Iterator[str]:
    """All files right below, and of each folder the first, a middle and the last one."""
    for folder in sorted({path.parent for path in run.rglob("*") if path.is_file()}):
        files = sorted(path for path in folder.iterdir() if path.is_file())
        chosen = files if folder == run else sorted({files[0], files[len(files) // 2], files[-1]})
        yield from (str(path.relative_to(run)) for path in chosen)


def rows_of(run: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """All that is kept of each attempt."""
    directory = RunDirectory.look(run)
    batches = [*directory.history(), *directory.outcomes()]
    return {(row["task_id"], row["attempt"]): row for batch in batches for row in batch.to_pylist()}


def spent_by(rows: dict[tuple[str, int], dict[str, Any]]) -> int:
    return sum(row["spent_tokens"] for row in rows.values())


def check(world: World, name: str, file: str, damage: Damage) -> None:
    """Damage a file of a copy, look at it, go on with it, and hold what came of it against what was there."""
    copied = world.scratch / "runs" / "run"
    shutil.rmtree(world.scratch / "runs", ignore_errors=True)
    shutil.copytree(world.run(name), copied)
    damage(copied / file, world.other(name))
    left = rows_of(copied) if readable(copied) else {}

    listed = forked("list", copied.parent, scratch=world.scratch)
    shown = forked("show", copied, scratch=world.scratch)
    ended = forked("resume", copied, "--local", "--json", scratch=world.scratch)

    for told in (listed, shown, ended):
        assert "Traceback" not in told.stderr, told.stderr
    assert listed.status == 0, listed
    assert shown.status in (0, 2), shown
    if ended.status == 2:
        assert ended.stderr.strip().splitlines()[-1].startswith("muster: "), ended.stderr
        return
    if (copied / file).is_dir() and file in WRITTEN_LAST:
        assert ended.status == 4, ended
        assert f"{file}')" in ended.stderr, "what is in the way is not named"
        (copied / file).rmdir()
        ended = forked("resume", copied, "--local", "--json", scratch=world.scratch)
    assert ended.status == 0, ended
    after = rows_of(copied)
    lost = rows_of(world.run(name)).keys() - left.keys()
    assert not lost or "tasks that were begun have none" in ended.stderr
    assert left.items() <= after.items(), "a task whose row was there ran again"
    spent = json.loads(ended.stdout)["budget"]["spent_tokens"]
    assert spent >= spent_by(after)
    if not file.startswith("ledger"):
        assert spent >= summary_of(world.ended)["budget"]["spent_tokens"] * (name == "ended")
    for aside in (copied / "set-aside").glob("*"):
        assert aside.name in ended.stderr, f"{aside.name} is not said to be set aside"
    if file != "manifest.json":
        assert answer_of(json.loads(ended.stdout)) == answer_of(summary_of(world.ended))


def readable(run: Path) -> bool:
    """Whether the run's manifest is a file that holds an object."""
    if (run / "manifest.json").is_symlink() or not (run / "manifest.json").is_file():
        return False
    try:
        return isinstance(json.loads((run / "manifest.json").read_text()), dict)
    except ValueError:
        return False


@pytest.mark.parametrize("damage", WHOLE)
def test_a_table_or_ledger_that_is_damaged_is_dealt_with(damage: str, world: World) -> None:
    """The first segment and the journal of the killed run, the Parquet of the one that has ended."""
    for name, folder in (("killed", "outcomes"), ("killed", "ledger"), ("ended", "outcomes")):
        file = next(file for file in files_of(world.run(name)) if file.startswith(f"{folder}/") and "lock" not in file)
        check(world, name, file, WHOLE[damage])


@pytest.mark.parametrize("damage", ["cut at 5/12", "cut at 12/12", "turned at 3/12", "turned at 11/12"])
def test_a_cut_or_turned_file_is_dealt_with(damage: str, world: World) -> None:
    """Of the killed run: outcomes, ledger, manifest."""
    for kind in ("outcomes/", "ledger/journal", "manifest"):
        file = next(file for file in files_of(world.killed) if file.startswith(kind))
        check(world, "killed", file, ALL[damage])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["killed", "ended"])
@pytest.mark.parametrize("damage", ALL)
def test_every_file_in_every_way(name: str, damage: str, world: World) -> None:
    """The whole sweep."""
    for file in files_of(world.run(name)):
        check(world, name, file, ALL[damage])
