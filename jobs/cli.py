"""The command `muster`: where it begins."""

from __future__ import annotations

from collections.abc import Sequence

from jobs import streams


def main(arguments: Sequence[str] | None = None, prog_name: str | None = None) -> None:
    """Run the command that the arguments say, and end with its status."""
    streams.make_good()
    from jobs.commands import muster

    muster(arguments, prog_name=prog_name)


if __name__ == "__main__":
    main()
