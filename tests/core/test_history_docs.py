"""The page about the code specialist states the numbers that the rules use."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.specialists.code import findings as rules
from actors.specialists.code.rules import BOTS_SHARE, CODE_SHARE, DOCUMENTS_SHARE, INCIDENT_HOURS
from actors.tools.code.change_undone import QUICK_REVERT_S
from actors.tools.code.git import LIMITS

PAGE = (Path(__file__).parents[2] / "docs" / "specialists" / "code.md").read_text(encoding="utf-8")


def row(kind: str) -> str:
    return next(line for line in PAGE.splitlines() if line.startswith(f"| `{kind}`"))


@pytest.mark.parametrize(
    ("kind", "bars"),
    [
        ("revert_churn", rules.UNDONE_BARS),
        ("fix_after_change", rules.MENDED_BARS),
        ("hot_file", rules.FILE_BARS),
        ("single_maintainer", rules.KEEPER_BARS),
    ],
)
def test_the_page_states_every_bar(kind: str, bars: tuple[rules.Bar, ...]) -> None:
    for bar in bars:
        assert str(bar.count) in row(kind)
        assert f"at least {bar.share:.0%}".replace("%", " %") in row(kind)


def test_the_page_states_limits_spans_and_shares() -> None:
    for stated in (
        f"{LIMITS.timeout_s:.0f} s for each git process",
        f"the newest {LIMITS.commits:,} commits",
        f"{LIMITS.output_bytes // 2**20} MB of file changes",
        f"Within {QUICK_REVERT_S / 86_400:.0f} days it is *quick*",
        f"in spans of {INCIDENT_HOURS[0]:.0f} and of {INCIDENT_HOURS[1]:.0f} hours",
        f"{BOTS_SHARE:.0%}".replace("%", " % or more of the commits are by programs"),
        f"{DOCUMENTS_SHARE:.0%}".replace("%", " % or more of the file changes are of documents"),
        f"less than {CODE_SHARE:.0%}".replace("%", " % of the file changes are of code"),
    ):
        assert stated in PAGE
