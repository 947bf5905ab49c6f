"""A process that outlives its parent by a moment, and ends what the parent had started and can end no more.

Ray's own agents look only now and then whether their driver is still there: after `kill -9` they linger for half a
minute. This one waits for the end of a pipe that only its parent holds, which comes whatever the parent dies of. Then
it kills the given processes, their descendants, and what their environment says belongs to one of them. It knows no
Ray, so that it starts within milliseconds: the file is run as it is, by an interpreter without site packages.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress

ROUNDS_MAX = 100  # looks for what is still there
PAUSE_S = 0.02
OWNER = b"RAY_RAYLET_PID="  # in the environment of all that a raylet starts


class Reaper:
    """Ends these processes, and all that they have started, when `close` is called or this process ends.

    What they have started by now is known by number, since a raylet ends at once with its driver, before its agents.
    """

    def __init__(self, pids: Iterable[int]) -> None:
        known = processes()
        self._roots = {pid: known[pid][1] for pid in pids if pid in known}
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, _named(self._roots)],
            stdin=subprocess.PIPE,
            start_new_session=True,  # a terminal's Ctrl-C is not for it
        )
        self.note()

    def note(self) -> None:
        """What they have started by now is known also when they are gone and nothing says whose it was."""
        known = processes()
        assert self._process.stdin is not None
        self._process.stdin.write(_named({pid: known[pid][1] for pid in family(self._roots) if pid in known}).encode())
        self._process.stdin.flush()

    def close(self) -> None:
        """Returns when nothing of them is left."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def children() -> frozenset[int]:
    """The processes that this one has started and that are still there."""
    return frozenset(pid for pid, (parent, _) in processes().items() if parent == os.getpid())


def processes() -> dict[int, tuple[int, str]]:
    """The parent and the start time of each process of this machine that has not ended; none, where /proc is not."""
    found: dict[int, tuple[int, str]] = {}
    for name in filter(str.isdigit, os.listdir("/proc") if os.path.isdir("/proc") else ()):
        try:
            with open(f"/proc/{name}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] not in "ZX":
            found[int(name)] = (int(fields[1]), fields[19])
    return found


def command_of(pid: int) -> str:
    """The name of the file that a process runs: an interpreter's program, where it is one. Empty when it is gone."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().decode(errors="replace").split("\0")
    except OSError:
        return ""
    programs = [word for word in words[1:] if word.endswith(".py")]
    return os.path.basename((programs or words)[0])


def end_at_once(pids: Iterable[int]) -> None:
    """Kill processes. Who is gone already is no matter."""
    for pid in pids:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def family(roots: dict[int, str]) -> set[int]:
    """Those of `roots` (process ids and start times) that are still there, and all that belongs to any of them."""
    known = processes()
    living = {pid for pid, began in roots.items() if pid in known and known[pid][1] == began}
    # Of a root that is gone its orphans still tell whose they were.
    found = living | {pid for pid in known if _owner(pid) in roots}
    while more := {pid for pid, (parent, _) in known.items() if parent in found} - found:
        found |= more
    return found


def _named(pids: dict[int, str]) -> str:
    return "".join(f"{pid}:{began} " for pid, began in pids.items())


def _owner(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            told = [one for one in file.read().split(b"\0") if one.startswith(OWNER)]
        return int(told[0].removeprefix(OWNER)) if told else 0
    except (OSError, ValueError):
        return 0


def _main(arguments: list[str]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    told = arguments[0].encode()
    while more := os.read(0, 65_536):
        told += more
    roots = {int(pid): began for pid, _, began in (one.partition(":") for one in told.decode().split())}
    for _ in range(ROUNDS_MAX):
        left = family(roots) - {os.getpid()}
        end_at_once(left)
        if not left:
            return
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    _main(sys.argv[1:])
