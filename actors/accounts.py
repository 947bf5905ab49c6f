"""Names in the ledger. Several batches may draw on one, so each name begins with its batch."""

from __future__ import annotations


def run_account(batch: str, run_id: str) -> str:
    """The account of one run, under its batch's."""
    return f"{batch}/{run_id}"


def hold_id(batch: str, task_id: str, attempt: int) -> str:
    """The hold of one attempt at one task."""
    return f"{batch}/{task_id}#{attempt}"


def attempt_of(batch: str, hold: str) -> tuple[str, int] | None:
    """The task id and attempt that `hold_id` made a hold of; None for another batch's."""
    task_id, mark, attempt = hold.removeprefix(f"{batch}/").rpartition("#")
    return (task_id, int(attempt)) if mark and hold.startswith(f"{batch}/") and attempt.isdigit() else None
