"""How many processes draw on the same rate limits: who counts them, and that the client hears of it."""

from __future__ import annotations

import pytest

from actors.contracts import Usage
from actors.models.base import ModelReply, ModelRequest, StopReason, tell_sharers
from actors.models.cache import CachedModel
from actors.models.offline import OFFLINE, OfflineModel
from actors.models.stand_in import StandIn
from actors.models.store import Store
from actors.specialists.incidents.specialist import INCIDENTS
from actors.specialists.runbooks.specialist import RUNBOOKS
from orchestrator.batch import Batch
from orchestrator.settings import Settings


class Told:
    """A model that remembers how many processes share its limits."""

    processes = 0

    async def reply(self, _: ModelRequest) -> ModelReply:
        return ModelReply((), Usage(0, 0), "told", StopReason.END_TURN)

    def shared_by(self, processes: int) -> None:
        self.processes = processes


@pytest.mark.parametrize(
    ("mode", "hosts", "drivers", "expected"), [("local", 3, 1, 1), ("embedded", 1, 1, 2), ("embedded", 3, 4, 24)]
)
def test_every_host_is_a_process_but_in_local_mode(mode, hosts, drivers, expected):
    """Hosts of one process share a brake; others have to know of each other."""
    specialists = [INCIDENTS, RUNBOOKS]
    settings = Settings(mode=mode, model=OFFLINE, hosts_per_agent=hosts)
    batch = Batch(
        id="b", specialists=specialists, model=lambda s: OfflineModel(s.analyst), settings=settings, drivers=drivers
    )

    specs = batch.host_specs(specialists)

    assert len(specs) == 2 * hosts
    assert {spec.sharers for spec in specs} == {expected}


def test_those_around_a_client_pass_it_on(tmp_path):
    """A cache and the rules that stand in make no calls of their own."""
    inner = Told()
    tell_sharers(StandIn(CachedModel(inner, Store(str(tmp_path)), scope="s"), "incidents", INCIDENTS.analyst), 7)

    assert inner.processes == 7


def test_a_client_without_limits_need_not_know():
    """The offline model draws on nothing."""
    tell_sharers(OfflineModel(INCIDENTS.analyst), 7)
