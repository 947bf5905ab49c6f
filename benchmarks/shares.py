"""Where an audit's processor time goes, and how often each source is read.

    python benchmarks/shares.py [--services 2000] [--concurrency 64] [--estate DIR] [--json]

Writes a sample estate (or takes the one in DIR), audits it in this process (as `--local` does) with the offline model,
and counts the processor time of every thread, and of the git processes, by what it is for:

read      sources: files unpacked and parsed, repositories, trackers, runbook folders, metrics servers
rules     what tools and analysts make of what was read, and the look-up of every citation
start     imports, the manifest and the plan
answer    the ranking, summary.json, report.md and the tables' compaction
muster    all else: sessions, budget and journal, outcomes, the event loop, progress

Times that a tool waits are nobody's. `reads` has for each kind of source how many there are and how often they were
read; more reads than sources are work done twice.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import sys
import tempfile
import threading
import time
import types
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

KINDS = {"incidents": "trackers", "git history": "repositories", "runbooks": "runbook folders"}
TIMED = (
    ("AuditJob", "plan", "start"), ("AuditJob", "summarize", "answer"), ("AuditJob", "headline", "answer"),
    ("RunDirectory", "write_parts", "answer"), ("RunDirectory", "compact", "answer"),
)  # fmt: skip
RULES = ("view", "packed view", "incident-words")  # shared between sessions as well, but made of what was read


@dataclass(slots=True)
class Book:
    """Processor seconds by part, of all threads, and reads of sources."""

    seconds: Counter[str] = field(default_factory=Counter)
    reads: Counter[tuple[str, Hashable]] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _here: threading.local = field(default_factory=threading.local)

    @contextmanager
    def charged(self, part: str) -> Iterator[None]:
        """What this thread does meanwhile is `part`, but for what is charged to another part inside."""
        open_parts: list[list[Any]] = self._here.__dict__.setdefault("open", [])
        began_s = time.thread_time()
        if open_parts:
            self._add(open_parts[-1], began_s)
        open_parts.append([part, began_s])
        try:
            yield
        finally:
            ended_s = time.thread_time()
            self._add(open_parts.pop(), ended_s)
            if open_parts:
                open_parts[-1][1] = ended_s

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        if asyncio.iscoroutinefunction(function):

            async def awaited(*given: Any, **named: Any) -> Any:
                return await self._steps(part, function(*given, **named))

            return awaited

        def called(*given: Any, **named: Any) -> Any:
            with self.charged(part):
                return function(*given, **named)

        return called

    @types.coroutine
    def _steps(self, part: str, coroutine: Any) -> Generator[Any, Any, Any]:
        """A coroutine whose steps in the event loop are charged, and not what runs between them."""
        step = partial(coroutine.send, None)
        while True:
            try:
                with self.charged(part):
                    waits_for = step()
            except StopIteration as ended:
                return ended.value
            try:
                yield waits_for
                step = partial(coroutine.send, None)
            except BaseException as error:
                step = partial(coroutine.throw, error)

    def _add(self, open_part: Sequence[Any], until_s: float) -> None:
        with self._lock:
            self.seconds[open_part[0]] += until_s - open_part[1]


def watched(book: Book) -> Any:
    """The audit, with its tools, analysts, sources and answer charged to their parts."""
    from actors.specialists.registry import AUDIT_SPECIALISTS
    from actors.tools.shared import Shared
    from jobs.audit_job import AuditJob
    from orchestrator.store import RunDirectory

    get, get_async, to_thread = Shared.get, Shared.get_async, asyncio.to_thread

    def loaded(key: Hashable, load: Callable[[], Any]) -> Callable[[], Any]:
        kind = key[0] if isinstance(key, tuple) else key
        if kind in RULES:
            return book.timed("rules", load)

        def read() -> Any:
            book.reads[KINDS.get(str(kind), "metrics files" if os.path.sep in str(kind) else str(kind)), key] += 1
            return load()

        return book.timed("read", read)

    def patched_get(self: Any, key: Hashable, load: Callable[[], Any]) -> Any:
        return get(self, key, loaded(key, load))

    def patched_get_async(self: Any, key: Hashable, load: Callable[[], Awaitable[Any]]) -> Any:
        return get_async(self, key, load if key[0] in RULES else loaded(key, load))  # type: ignore[index]

    async def patched_to_thread(function: Callable[..., Any], *given: Any) -> Any:
        ours = function.__module__.startswith("actors.tools")
        return await to_thread(book.timed("rules", function) if ours else function, *given)

    Shared.get, Shared.get_async = patched_get, patched_get_async  # type: ignore[method-assign]
    asyncio.to_thread = patched_to_thread  # type: ignore[assignment]
    for owner, name, part in TIMED:
        whose = {"AuditJob": AuditJob, "RunDirectory": RunDirectory}[owner]
        setattr(whose, name, book.timed(part, getattr(whose, name)))
    return AuditJob(specialists=[_watched(book, one) for one in AUDIT_SPECIALISTS])


def _watched(book: Book, specialist: Any) -> Any:
    return replace(
        specialist,
        tools=tuple(replace(tool, function=book.timed("rules", tool.function)) for tool in specialist.tools),
        analyst=book.timed("rules", specialist.analyst),
        check_citations=book.timed("rules", specialist.check_citations),
    )


def measured(estate: Path, run_dir: Path, *, concurrency: int, imports_s: float) -> dict[str, Any]:
    """Audit the estate, and say what took how long."""
    from jobs.models import choose_model
    from jobs.perform import perform
    from jobs.request import Request
    from orchestrator.settings import Settings

    book = Book()
    job = watched(book)
    began_s, cpu_s, children_s = time.monotonic(), time.process_time(), _children_s()
    performed = perform(
        Request(
            job=job,
            source=estate / "catalog-info.yaml",
            question="",
            run_dir=run_dir,
            settings=Settings(mode="local", sessions_max=concurrency, model="offline"),
            model=choose_model("offline", base_url="", key_file="", prices=None, priced=False),
            alerted=lambda _: None,
        )
    )
    elapsed_s, cpu_s = time.monotonic() - began_s, time.process_time() - cpu_s
    seconds = {**book.seconds, "start": book.seconds["start"] + imports_s}
    seconds["muster"] = cpu_s - sum(book.seconds.values())
    seconds["read"] += _children_s() - children_s
    tasks = performed.summary["coverage"]["tasks"]
    total_s = sum(seconds.values())
    order = ("read", "rules", "muster", "answer", "start")
    return {
        "services": performed.summary["coverage"]["services"]["total"],
        "subagents": tasks["planned"],
        "answered": tasks["succeeded"],
        "elapsed_s": round(elapsed_s, 1),
        "cpu_s": round(total_s, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3),
        "shares": {part: round(seconds.get(part, 0.0) / total_s, 4) for part in order},
        "ms_per_subagent": {part: round(1e3 * seconds.get(part, 0.0) / tasks["planned"], 2) for part in order},
        "reads": _reads(book),
    }


def _reads(book: Book) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for (kind, _), count in sorted(book.reads.items(), key=lambda item: item[0][0]):
        counted = found.setdefault(kind, {"sources": 0, "reads": 0})
        counted["sources"] += 1
        counted["reads"] += count
    return {kind: counted for kind, counted in found.items() if kind != "openmetrics files"}


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def table(found: dict[str, Any]) -> str:
    lines = [
        f"{found['services']:,} services, {found['subagents']:,} sub-agents, {found['answered']:,} answered: "
        f"{found['elapsed_s']} s, {found['cpu_s']} s of processors, {found['peak_mb']} MB at most",
        "",
        "| part | share of processor time | ms per sub-agent |",
        "| --- | ---: | ---: |",
        *(
            f"| {part} | {share:.1%} | {found['ms_per_subagent'][part]:.2f} |"
            for part, share in found["shares"].items()
        ),
        "",
        "| source | there are | read |",
        "| --- | ---: | ---: |",
        *(f"| {kind} | {one['sources']:,} | {one['reads']:,} |" for kind, one in found["reads"].items()),
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--services", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--concurrency", type=int, default=64, help="sub-agents at work at once")
    parser.add_argument("--estate", type=Path, help="a sample that is there already")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args()
    cpu_s = time.process_time()
    import jobs.commands
    import jobs.perform  # noqa: F401  (what the command imports)

    imports_s = time.process_time() - cpu_s
    with tempfile.TemporaryDirectory() as scratch:
        estate = options.estate or Path(scratch) / "estate"
        if options.estate is None:
            from jobs.sample import write_estate

            write_estate(estate, services=options.services, seed=options.seed)
        found = measured(estate, Path(scratch) / "run", concurrency=options.concurrency, imports_s=imports_s)
    print(json.dumps(found, indent=1) if options.json else table(found))


if __name__ == "__main__":
    main()
