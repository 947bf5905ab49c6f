"""Shared budgets from the command line, and what an alert sets off."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shlex
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from budget import Alert, Limit, Period, Standing, dollars
from budget.errors import SettingsError
from jobs.options import microusd_of
from orchestrator.settings import Settings

log = logging.getLogger("muster.budget")


@dataclass(frozen=True, slots=True)
class Alarm:
    """Called with each alert: a log line, and a command if there is one. The batch does not wait for it."""

    command: str = ""

    def __call__(self, alert: Alert) -> None:
        log.warning(
            "budget alert account=%s spent=%s unit=%s percent=%s limit=%s",
            alert.account_id, alert.spent, alert.unit, alert.percent, alert.limit,
        )  # fmt: skip
        if self.command:
            told = {f"MUSTER_ALERT_{name.upper()}": str(value) for name, value in alert._asdict().items()}
            try:
                subprocess.Popen(shlex.split(self.command), env={**os.environ, **told}, start_new_session=True)
            except (OSError, ValueError) as error:
                log.error("alert command %r cannot be run: %s", self.command, error)


def shared_folder(name: str) -> Path:
    """Where a shared ledger lies, on the node of who makes it."""
    return Path.home() / ".muster" / "budgets" / name


def show_shared(name: str, address: str) -> Standing:
    """How a shared budget stands. Raises SettingsError without a cluster, UnknownAccountError without the budget."""
    from budget.actor import show
    from orchestrator.cluster import connected

    with connected(Settings(mode="cluster", address=address)):
        return asyncio.run(show(name))


def set_shared(name: str, address: str, *, tokens: int | None, dollars: float | None, period: str | None) -> Standing:
    """Make a shared budget or change its ceiling; None sets none."""
    from budget.actor import set_limit, shared_budget
    from orchestrator.cluster import connected

    if not name or "/" in name or name.startswith("."):
        raise SettingsError(f"{name!r} cannot name a shared budget: use letters, digits and dashes")
    limit = Limit(tokens, microusd_of(dollars, "--dollars"))

    async def make() -> Standing:
        await shared_budget(name, shared_folder(name), limit=limit, period=cast(Period | None, period))
        return await set_limit(name, limit)

    with connected(Settings(mode="cluster", address=address)):
        return asyncio.run(make())


def shown(standing: Standing, *, as_json: bool) -> str:
    """A standing for people, or for programs."""
    if as_json:
        return json.dumps(asdict(standing))
    lines = ["account                             spent         held        limit   (tokens; dollars below)"]
    for account in standing.accounts:
        name = account.account_id if account.parent_id is None else f"  {account.account_id}"
        limits = (account.limit.tokens, account.limit.microusd)
        lines.append(
            f"{name:<30} {account.spent.tokens:>12,} {account.held.tokens:>12,} {_or_none(limits[0]):>12}"
            + (f"   overrun, period {account.period}" if account.overrun else "")
        )
        lines.append(
            f"{'':<30} {dollars(account.spent.microusd):>12} {dollars(account.held.microusd):>12} "
            f"{'none' if limits[1] is None else dollars(limits[1]):>12}"
        )
    return "\n".join(lines)


def _or_none(limit: int | None) -> str:
    return "none" if limit is None else f"{limit:,}"
