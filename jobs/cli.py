"""The command `muster`: where it begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from jobs import interrupts, streams


def main(arguments: Sequence[str] | None = None, prog_name: str | None = None) -> None:
    """Run the command that the arguments say, and end with its status."""
    interrupts.end_at_once()
    streams.make_good()
    from jobs.commands import muster
    from jobs.performed import ExitStatus, leave

    try:
        muster(arguments, prog_name=prog_name)
    except SystemExit as ended:  # so ends all that click has carried out, or refused
        leave(ExitStatus(cast(int, ended.code)))


if __name__ == "__main__":
    main()
