"""Changes as Git repositories: which service lies where, and the stream that `git fast-import` turns into history."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from random import Random

from jobs.sample.changes import EVERYWHERE, LINE_WORDS, LINES, SHARED
from jobs.sample.estate import AS_OF_S, DAY_S, Estate, Service, stream
from jobs.sample.history import BOT, HISTORY_DAYS, Change, changes_of, language_of
from jobs.sample.kinds import Source
from jobs.sample.words import address, person

SHARED_EVERY_DAYS = 9  # a change to what all services of a repository share
EVERYWHERE_EVERY = 7  # and every seventh of them touches each service
FILE_LINES = (15, 45)
PIPELINE = "ci/pipeline.yaml"


def repository_of(service: Service) -> str:
    """The repository's path relative to the manifest."""
    return f"git/{service.name if service.own_repository else service.area}.git"


def paths_of(service: Service, seed: int) -> tuple[str, ...]:
    """The service's subpaths of a shared repository; none where the repository is all its own."""
    if service.own_repository:
        return ()
    folders = {_place(service, file).rsplit("/", 1)[0].split("/")[0] for file in language_of(service, seed).files}
    return tuple(f"{folder}/{service.name}" for folder in sorted(folders, reverse=True))


def repositories(estate: Estate) -> dict[str, list[Service]]:
    """Every repository of the estate, and the services in it that have a history."""
    found: dict[str, list[Service]] = {}
    for service in estate.services:
        if service.has(Source.GIT):
            found.setdefault(repository_of(service), []).append(service)
    return found


def import_stream(services: Sequence[Service], seed: int) -> Iterator[bytes]:
    """The whole history of the repository that `services` share, oldest first, for `git fast-import --done`."""
    repository = _Repository(stream(seed, repository_of(services[0])))
    files = {service.name: _files(service, seed) for service in services}
    timeline = [(change.at_s, service.name, change) for service in services for change in changes_of(service, seed)]
    undone = {change.undoes for _, _, change in timeline if change.undoes is not None}
    shared = [(change.at_s, "", change) for change in _shared_changes(repository.rng)]
    for _, name, change in sorted(timeline + shared, key=lambda entry: entry[:2]):
        if name:
            paths = [files[name][index] for index in change.files]
            yield repository.commit(change, paths, keep=change in undone)
        elif change.subject in EVERYWHERE:
            yield repository.commit(change, [_place(service, "Dockerfile") for service in services])
        else:
            yield repository.commit(change, [PIPELINE])
    yield b"done\n"


def _files(service: Service, seed: int) -> tuple[str, ...]:
    return tuple(_place(service, file) for file in language_of(service, seed).files)


def _place(service: Service, file: str) -> str:
    """Where a file lies: at the root of an own repository; else settings under `deploy/`, others under `services/`."""
    if service.own_repository:
        return file
    folder = "deploy" if file.endswith((".yaml", ".yml")) else "services"
    return f"{folder}/{service.name}/{file}"


def _shared_changes(rng: Random) -> Iterator[Change]:
    """What the platform team changes for everybody. The first comes before any service."""
    author = person(rng.randrange(20))
    days = range(HISTORY_DAYS + 30, 1, -SHARED_EVERY_DAYS)
    for number, days_ago in enumerate(days, 1):
        subject = rng.choice(EVERYWHERE if number % EVERYWHERE_EVERY == 0 else SHARED)
        at_s = AS_OF_S - days_ago * DAY_S + rng.randrange(DAY_S // 3)
        yield Change(at_s=at_s, author=author, subject=subject, files=(), lines=1)


class _Repository:
    """The work tree as the stream leaves it: what every file holds now, and what undone changes found."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.contents: dict[str, list[str]] = {}
        self.before: dict[Change, dict[str, list[str]]] = {}

    def commit(self, change: Change, paths: Sequence[str], *, keep: bool = False) -> bytes:
        """One commit; `keep` says that the change will be undone. A file that is not there yet is made."""
        if keep:
            self.before[change] = {path: list(self.contents[path]) for path in paths}
        if change.undoes is not None:
            self.contents |= {path: list(lines) for path, lines in self.before[change.undoes].items()}
        else:
            for path in paths:
                self._edit(path, change.lines)
        return _commit(change, {path: "\n".join(self.contents[path]) + "\n" for path in paths})

    def _edit(self, path: str, count: int) -> None:
        lines = self.contents.get(path)
        if lines is None:
            self.contents[path] = list(islice(self._lines(), self.rng.randint(*FILE_LINES)))
            return
        for line in islice(self._lines(), count):
            lines[self.rng.randrange(len(lines))] = line
        if self.rng.random() < 0.3:
            lines.append(next(self._lines()))

    def _lines(self) -> Iterator[str]:
        while True:
            yield self.rng.choice(LINES).format(word=self.rng.choice(LINE_WORDS), number=self.rng.randrange(1_000))


def _commit(change: Change, files: dict[str, str]) -> bytes:
    mail = f"{BOT}@example.org" if change.author == BOT else address(change.author)
    zone = f"+0{len(change.author) % 3}00"  # people sit in three time zones
    who = f"{change.author} <{mail}> {change.at_s} {zone}"
    message = f"{change.subject}\n\n{change.body}\n" if change.body else f"{change.subject}\n"
    parts = [f"commit refs/heads/main\nauthor {who}\ncommitter {who}\n", _data(message)]
    parts += [f"M 100644 inline {path}\n{_data(text)}" for path, text in files.items()]
    return "".join(parts).encode("ascii")


def _data(text: str) -> str:
    return f"data {len(text)}\n{text}\n"
