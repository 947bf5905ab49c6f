"""Writes a sample estate to disk: the folder is checked first, then filled, service by service, on all cores."""

from __future__ import annotations

import gzip
import json
import lzma
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from budget.errors import RunDirectoryError, SettingsError
from jobs.sample.estate import Estate, Packing, Service, plan_estate
from jobs.sample.kinds import Source
from jobs.sample.manifest import SCHEMA, manifest_text, truth_text
from jobs.sample.metrics import metrics_file_of, metrics_text
from jobs.sample.repositories import import_stream, repositories
from jobs.sample.runbooks import runbook_files, shared_files
from jobs.sample.trackers import tracker_files

T = TypeVar("T")

SERVICES_MAX = 20_000  # about 4 GB of files; names would last for more
MANIFEST, TRUTH, MARKER = "catalog-info.yaml", "truth.json", "sample.json"
FOLDERS = ("git", "incidents", "metrics", "runbooks")


@dataclass(frozen=True, slots=True, kw_only=True)
class EstateSummary:
    """What was written. `kinds` counts the different problems planted, the rest count services or repositories."""

    manifest: Path
    truth: Path
    services: int
    systems: int
    repositories: int
    planted: int
    kinds: int
    decoys: int
    symptoms: int
    lacking: int

    def __str__(self) -> str:
        return (
            f"{self.services} services in {self.systems} systems and {self.repositories} repositories: "
            f"{self.planted} with problems of {self.kinds} kinds, {self.decoys} decoys, {self.symptoms} that show "
            f"another's problem, {self.lacking} without one source; the manifest is {self.manifest}"
        )


def write_estate(folder: Path, *, services: int, seed: int) -> EstateSummary:
    """Write an estate of `services` services into `folder`; the same arguments give the same bytes and commit ids.

    `folder` is made when it is missing. A former sample in it is replaced, its four folders with all they hold.
    Raises SettingsError for a count out of range or without git, RunDirectoryError for a folder that holds
    something else or that cannot be written.
    """
    if not 1 <= services <= SERVICES_MAX:
        raise SettingsError(f"--services is {services}, and must be between 1 and {SERVICES_MAX}")
    if shutil.which("git") is None:
        raise SettingsError("the sample estate has Git repositories, and git is not on PATH: install it")
    try:
        _clear(folder, services=services, seed=seed)
        return _write(folder, plan_estate(services=services, seed=seed))
    except OSError as error:
        where = error.filename or folder
        raise RunDirectoryError(f"{where} cannot be written ({error.strerror}): name another folder") from None


def _clear(folder: Path, *, services: int, seed: int) -> None:
    """Leave `folder` with nothing but a marker in it that says whose it is, and what a user laid beside a sample."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()) and not _is_sample(folder):
        raise RunDirectoryError(f"{folder} is not empty and no sample estate: name an empty or a new folder")
    for name in (MANIFEST, TRUTH):
        (folder / name).unlink(missing_ok=True)
    marker = {"schema": SCHEMA, "services": services, "seed": seed}
    (folder / MARKER).write_text(json.dumps(marker) + "\n", encoding="utf-8")
    for name in FOLDERS:
        if (folder / name).exists():
            shutil.rmtree(folder / name)


def _is_sample(folder: Path) -> bool:
    try:
        marker = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(marker, dict) and marker.get("schema") == SCHEMA


def _write(folder: Path, estate: Estate) -> EstateSummary:
    """The sources first, the manifest last: a manifest that is there names nothing that is missing."""
    repos = repositories(estate)
    for name in FOLDERS:
        (folder / name).mkdir()
    _write_texts(folder, tracker_files(estate))
    _write_texts(folder, shared_files())
    _for_each(estate.services, lambda service: _write_service(folder, service, estate.seed))
    _for_each(repos.items(), lambda item: _write_repository(folder.absolute() / item[0], item[1], estate.seed))
    _write_texts(folder, {TRUTH: truth_text(estate), MANIFEST: manifest_text(estate)})
    return _summary(folder, estate, len(repos))


def _for_each(items: Iterable[T], work: Callable[[T], None]) -> None:
    """`work` on every item, on all cores: packing and git run outside of Python's lock. Raises what `work` raised."""
    pool = ThreadPoolExecutor(os.cpu_count() or 1)
    try:
        for _ in pool.map(work, items):
            pass
    finally:
        pool.shutdown(cancel_futures=True)


def _write_texts(folder: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode("utf-8"))


def _write_service(folder: Path, service: Service, seed: int) -> None:
    if service.has(Source.RUNBOOKS):
        _write_texts(folder, runbook_files(service, seed))
    if service.has(Source.METRICS):
        data = _packed(metrics_text(service, seed).encode("ascii"), service.packing)
        (folder / metrics_file_of(service)).write_bytes(data)


def _packed(data: bytes, packing: Packing) -> bytes:
    """The same bytes for the same data: no name and no time in the head."""
    if packing is Packing.GZIP:
        return gzip.compress(data, compresslevel=1, mtime=0)  # half of level 4's time, a tenth more bytes
    return lzma.compress(data, preset=0) if packing is Packing.XZ else data


def _write_repository(path: Path, services: list[Service], seed: int) -> None:
    """A bare repository in one pack. The user's own Git settings have no say in it."""
    git = ["git", "-c", "core.fsync=none", "-c", "fastimport.unpackLimit=0"]
    init = ["init", "--quiet", "--bare", "--template=", "--object-format=sha1", "--initial-branch=main", str(path)]
    fast_import = [f"--git-dir={path}", "fast-import", "--quiet", "--done"]
    _run([*git, *init], b"")
    _run([*git, *fast_import], b"".join(import_stream(services, seed)))


def _run(command: list[str], data: bytes) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "LC_ALL": "C"}
    ended = subprocess.run(command, input=data, capture_output=True, env=environment, check=False)
    if ended.returncode:
        said = ended.stderr.decode("utf-8", "replace").strip().splitlines()
        raise RunDirectoryError(f"{' '.join(command)} failed: {said[0] if said else ended.returncode}")


def _summary(folder: Path, estate: Estate, repository_count: int) -> EstateSummary:
    parts = [service.part for service in estate.services]
    return EstateSummary(
        manifest=folder / MANIFEST,
        truth=folder / TRUTH,
        services=len(parts),
        systems=len({service.system for service in estate.services}),
        repositories=repository_count,
        planted=sum(bool(part.planted) for part in parts),
        kinds=len({kind for part in parts for kind in part.planted}),
        decoys=sum(part.decoy is not None for part in parts),
        symptoms=sum(bool(part.symptom_of) for part in parts),
        lacking=sum(part.lacks is not None for part in parts),
    )
