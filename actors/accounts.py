"""Names in the ledger. Several batches may draw on one, so each name begins with its batch.

An account that runs are under is the batch's own, or, where several drivers share the batch, that of one driver below
it: so a driver that died can be settled and locked out, and nobody beside it is touched.
"""

from __future__ import annotations

import re

_BELOW = re.compile(r"(?::\d+)?/(.+)#(\d+)", re.DOTALL)
_DRIVER = re.compile(r":\d+")


def driver_account(batch: str, number: int) -> str:
    """The account of one driver of several, under its batch's. A driver that takes over has another number."""
    return f"{batch}:{number}"


def is_driver_account(batch: str, account: str) -> bool:
    return account.startswith(batch) and _DRIVER.fullmatch(account, len(batch)) is not None


def run_account(account: str, run_id: str) -> str:
    """The account of one run, under its batch's or its driver's."""
    return f"{account}/{run_id}"


def page_account(account: str, host: str, client: str, number: int) -> str:
    """An account for holds of runs that have none of their own: one of those that a host opens after each other.

    `client` is the host's client of the budget: hosts of later attempts have the same names.
    """
    return f"{account}@{host}/{client}/{number}"


def is_page(account: str, page: str) -> bool:
    """Whether an account below this one is a page."""
    return page.startswith(f"{account}@")


def hold_id(account: str, task_id: str, attempt: int) -> str:
    """The hold of one attempt at one task, of a run under this account."""
    return f"{account}/{task_id}#{attempt}"


def attempt_of(account: str, hold: str) -> tuple[str, int] | None:
    """The task id and attempt that `hold_id` made a hold of, for this account or a driver's below; None for others."""
    below = _BELOW.fullmatch(hold, len(account)) if hold.startswith(account) else None
    return (below[1], int(below[2])) if below else None
