"""Commands in processes that are forked from one which has imported everything: a hundredth of a second each."""

from __future__ import annotations

import multiprocessing
import os
import sys
from pathlib import Path

from support.audits import Ended

_CONTEXT = multiprocessing.get_context("forkserver")


def forked(*arguments: object, scratch: Path, timeout_s: float = 60.0) -> Ended:
    """Run `muster` with these arguments; what it says goes through files in `scratch`."""
    _CONTEXT.set_forkserver_preload(
        ["jobs.cli", "jobs.commands", "jobs.ask_command", "jobs.compare", "jobs.listing", "jobs.perform", "jobs.resume"]
    )
    out, err = scratch / "stdout", scratch / "stderr"
    process = _CONTEXT.Process(target=_run, args=([*map(str, arguments)], str(out), str(err)))
    process.start()
    process.join(timeout_s)
    assert process.exitcode is not None, f"{arguments} has not ended after {timeout_s} s"
    return Ended(process.exitcode, out.read_text(), err.read_text(errors="replace"))


def _run(arguments: list[str], out: str, err: str) -> None:
    for name, descriptor in ((out, 1), (err, 2)):
        opened = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(opened, descriptor)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
    from jobs.cli import main

    main(arguments, prog_name="muster")
