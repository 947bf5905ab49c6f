"""What came of a job, and how the command says it: an exit status, a few lines, the summary."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NoReturn

from actors import threads
from jobs import streams
from orchestrator import ahead
from orchestrator.rows import told

if TYPE_CHECKING:
    from orchestrator.batch_run import Ending


class ExitStatus(IntEnum):
    """What the command's exit status says."""

    ANSWERED = 0
    OUR_BUG = 1
    CALLERS_MISTAKE = 2
    BELOW_QUORUM = 3
    NOTHING_USABLE = 4
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Performed:
    """What came of it."""

    status: ExitStatus
    summary: Mapping[str, Any]
    report: str
    headline: str


def exit_status(ending: Ending, *, min_fraction: float) -> ExitStatus:
    """0 the answer meets its quorum, 3 below it, 4 nothing usable, 130 interrupted.

    A batch that a full disk has ended is below its quorum, whatever it has: it is not what was asked for.
    """
    ended = sum(ending.tally.statuses.values())
    if ending.interrupted:
        return ExitStatus.INTERRUPTED
    if not ending.tally.succeeded:
        return ExitStatus.NOTHING_USABLE
    met = ending.tally.succeeded >= min_fraction * ended and not ending.broken
    return ExitStatus.ANSWERED if met else ExitStatus.BELOW_QUORUM


def print_summary(performed: Performed, *, as_json: bool) -> None:
    """Human text to stderr, the summary to stdout when asked for."""
    sys.stderr.write(performed.headline + f"\nreport     {performed.report}\n")
    if as_json:
        for part in told(performed.summary):
            sys.stdout.write(part)
        sys.stdout.write("\n")


def leave(status: ExitStatus) -> NoReturn:
    """End with this status. At once where a thread is still at work: a tool that blocks is not waited for.

    What was asked for and could not be written leaves nothing usable. A Ray that was begun, and that nothing came of,
    ends with it.
    """
    sys.stdout.flush()
    trouble = streams.trouble()
    if trouble:
        sys.stderr.write(
            f"muster: cannot write to standard output: {trouble}: "
            "send it elsewhere; what a run has answered is in its directory\n"
        )
        status = max(status, ExitStatus.NOTHING_USABLE)
    sys.stderr.flush()
    begun = ahead.waiting()
    if begun is not None:
        begun.abandon()
    if status == ExitStatus.INTERRUPTED or threads.busy() or begun is not None:
        logging.shutdown()
        os._exit(status)
    sys.exit(status)
