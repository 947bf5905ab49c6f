"""What the code specialist says in words without a model: one summary, and what could not be known."""

from __future__ import annotations

from collections.abc import Iterator

from actors.tools.code.change_rework import Rework
from actors.tools.code.change_summary import Period, Summary
from actors.wording import counted

BOTS_SHARE, DOCUMENTS_SHARE, CODE_SHARE = 0.9, 0.7, 0.1  # of commits, of file changes, of file changes


def sentence(summary: Summary, rework: Rework) -> str:
    """What happened in the window, in two sentences."""
    window, undone = summary.window, rework.window
    people = counted(window.authors, "person", "people")
    said = f"{counted(window.changes, 'change')} by {people} in {window.days:g} days"
    if summary.before is not None:
        said += f", {summary.before.changes} in the window before"
    repairs = (
        counted(undone.reverts, "quick revert"),
        counted(undone.hotfixes, "hotfix", "hotfixes"),
        counted(undone.fixes, "fix", "fixes"),
    )
    return f"{said}. {repairs[0]}, {repairs[1]} and {repairs[2]} among those of code and configuration."


def gaps(summary: Summary) -> Iterator[str]:
    """What this history cannot tell, and why."""
    yield from summary.gaps
    window, touched = summary.window, summary.touched
    if not touched:
        yield f"no commit touched the service since {summary.begins}: the history says nothing about it"
        return
    yield from _about_kind(summary.bot_share, touched.get("docs", 0.0), touched.get("code", 0.0))
    if not window.changes:
        yield f"nobody changed the service in {window.days:g} days, so its changes cannot be judged"
    if summary.before is None:
        yield f"there is no full window before to compare with: the history begins at {summary.begins}"
    if _is_wordless(window, summary.short_subjects):
        yield f"{summary.short_subjects:.0%} of the messages are one word: reverts and fixes cannot be told by them"


def _about_kind(bots: float, documents: float, code: float) -> Iterator[str]:
    """What sort of repository it is, where that is not a service's code."""
    if bots >= BOTS_SHARE:
        yield f"{bots:.0%} of the commits are by programs (a status page, say): little is known about people's changes"
    if documents >= DOCUMENTS_SHARE:
        yield f"{documents:.0%} of the file changes are of documents: they say little about the service's code"
    elif code < CODE_SHARE:
        yield "almost only configuration and other content is changed here: the service's code may be elsewhere"


def _is_wordless(window: Period, short_subjects: float) -> bool:
    return window.changes >= 5 and short_subjects >= 0.5
