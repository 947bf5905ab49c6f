"""What a batch is: who works on it, by which models, under which limits."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from actors.accounts import driver_account
from actors.assembly import Assigned, HostSpec, ModelFactory
from actors.rules import Rules
from actors.specialists.base import Specialist
from budget import price_of
from orchestrator.settings import Settings
from orchestrator.telemetry import Telemetry

log = logging.getLogger("muster.batch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What is to be done: who may do it, by which model, under which limits.

    `blocked` is called from a thread, with a sentence, when hosts share this process and one holds its event loop for
    good; it may end the process.
    """

    id: str
    specialists: Sequence[Specialist]
    model: ModelFactory
    settings: Settings
    leads: Sequence[Specialist] = ()  # those who work on the last run, when all others have finished
    assigned: Callable[[Specialist], Assigned] | None = None  # models by specialist; None: the settings' one
    telemetry: Telemetry | None = None
    grants: frozenset[str] = frozenset()
    blocked: Callable[[str], None] = log.error
    driver: int | None = None  # the number of the driver's account, where several share the batch
    drivers: int = 1  # so many share it

    @property
    def account(self) -> str:
        """Under which its runs spend."""
        return self.id if self.driver is None else driver_account(self.id, self.driver)

    def host_specs(self, specialists: Sequence[Specialist]) -> list[HostSpec]:
        """One spec for each host, with the sessions that the settings allow dealt out among them.

        Every specialist's first host comes before anybody's second: where there is no room for all, each has one.
        """
        hosts = [s for _ in range(self.settings.hosts_per_agent) for s in specialists]
        processes = 1 if self.settings.mode == "local" else len(hosts) * self.drivers
        rules = Rules(
            batch=self.id,
            account=self.account,
            on_exhausted=self.settings.on_exhausted,
            grants=self.grants,
            spans=self.settings.spans,
            traced=self.telemetry is not None and self.telemetry.traces,
            transcripts=self.settings.transcripts,
        )
        return [
            HostSpec(
                id=specialist.name,
                specialist=specialist,
                model=self.model,
                assigned=self._assigned(specialist),
                rules=rules,
                cache=self.settings.cache,
                sessions_max=min(sessions, specialist.resources.sessions_max),
                sharers=processes,
            )
            for specialist, sessions in zip(hosts, _deal(self.settings.sessions_max, len(hosts)), strict=True)
        ]

    def _assigned(self, specialist: Specialist) -> Assigned:
        if self.assigned is not None:
            return self.assigned(specialist)
        settings = self.settings
        return Assigned(
            model=settings.model,
            price=price_of(settings.model),
            effort=specialist.effort,
            others={name: price_of(name) for name in settings.other_models},
            overseer=settings.overseer,
        )


def _deal(sessions: int, hosts: int) -> list[int]:
    """`sessions` dealt out to `hosts` as evenly as whole numbers allow, at least one each."""
    return [max(1, sessions // hosts + (n < sessions % hosts)) for n in range(hosts)]
