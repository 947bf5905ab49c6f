"""How a batch is shared among drivers: runs, limits, names in the ledger, and sums that come together again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from actors.accounts import attempt_of, driver_account, hold_id, is_driver_account
from actors.contracts import Outcome, Usage
from actors.specialists.base import Resources
from actors.specialists.registry import AUDIT_SPECIALISTS
from actors.tables import outcome_batch
from budget.errors import SettingsError
from orchestrator.known_outcomes import Known
from orchestrator.model_use import ModelUse, Used
from orchestrator.patterns import FanOut
from orchestrator.runs import Run, State
from orchestrator.settings import Settings
from orchestrator.shards import (
    DEATHS_MAX,
    Deaths,
    Shard,
    replayed,
    room_lacking,
    share_of,
    squeezed,
    used_together,
)
from orchestrator.tally import Tally, together
from support.tasks import a_failure, a_result, a_task

SETTINGS = Settings(mode="cluster", address="here", sessions_max=10, hosts_per_agent=3, drivers=4)


@pytest.mark.parametrize("drivers", [1, 2, 3, 7])
@pytest.mark.parametrize("total", [0, 1, 5, 64, 1_000, 4_097])
def test_every_run_is_in_exactly_one_shard_and_no_shard_has_much_more_than_its_part(drivers: int, total: int) -> None:
    """Whoever counts the runs in their order, in whatever process, comes to the same parts."""
    parts = [list(Shard(n, drivers, total).pick(range(total))) for n in range(drivers)]

    assert sorted(place for part in parts for place in part) == list(range(total))
    assert max(map(len, parts)) - min(map(len, parts)) <= max(1, total // (drivers * 8), 1)


def test_neighbours_stay_together_in_a_large_batch() -> None:
    """Services side by side share repositories and trackers; a driver's hosts read each of them once."""
    part = list(Shard(1, 4, 100_000).pick(range(100_000)))

    assert part[:64] == list(range(64, 128))
    assert part[64] == 5 * 64


def test_sessions_and_hosts_are_dealt_out_and_none_gets_more_than_all_have() -> None:
    """The bound on sub-agents at work is one of the batch; a driver that takes over gets the time that is left."""
    shares = [share_of(SETTINGS, Shard(n, 4, 9), batch_deadline_s=7.5) for n in range(4)]

    assert [share.sessions_max for share in shares] == [3, 3, 2, 2]
    assert [share.hosts_per_agent for share in shares] == [1, 1, 1, 1]
    assert {(share.drivers, share.batch_deadline_s) for share in shares} == {(1, 7.5)}


def test_drivers_without_a_session_or_without_ray_are_refused() -> None:
    """One sentence, with the value, the limit and what to do."""
    with pytest.raises(SettingsError, match=r"drivers is 5 and concurrency 4.*set --concurrency to 5 or more"):
        Settings(drivers=5)
    with pytest.raises(SettingsError, match="drivers is 2, and this batch runs in its own process"):
        Settings(mode="local", drivers=2)
    with pytest.raises(SettingsError, match="drivers is 0"):
        Settings(drivers=0)


def test_hosts_of_all_drivers_fit_a_machine_of_their_own_and_what_a_cluster_lacks_is_said() -> None:
    """Drivers that hold some places each may wait for the others'."""
    claims = [replace(one, resources=Resources(num_cpus=0.25)) for one in AUDIT_SPECIALISTS]
    there = {"CPU": 2.0, "memory": 64e9}

    fitted = squeezed(claims, drivers=3, cpus=2.0)
    roomy = squeezed(claims, drivers=3, cpus=16.0)

    assert room_lacking(fitted, there, drivers=3) == ""
    assert roomy == claims
    assert room_lacking(claims, there, drivers=3) == "hosts of 3 drivers claim 3 of CPU and the cluster has 2"
    assert "of memory" in room_lacking(fitted, {**there, "memory": 1e9}, drivers=3)


def test_a_shard_is_given_up_after_deaths_in_a_row_and_not_while_runs_end_between_them() -> None:
    """A task that kills its driver must not be tried for ever; a machine that goes away each hour is no such task."""
    unlucky, hopeless = Deaths(), Deaths()

    again = [unlucky.one_more(finished) for finished in (5, 9, 20, 21, 40, 41)]
    never = [hopeless.one_more(3) for _ in range(DEATHS_MAX)]

    assert all(again)
    assert never == [True] * (DEATHS_MAX - 1) + [False]


def test_a_drivers_holds_are_known_for_those_of_their_batch() -> None:
    """Names with colons and marks of their own included."""
    account = driver_account("b-1", 12)

    assert attempt_of("b-1", hold_id(account, "cart:2/code#x", 3)) == ("cart:2/code#x", 3)
    assert attempt_of(account, hold_id(account, "cart/code", 1)) == ("cart/code", 1)
    assert attempt_of("b-1", hold_id("b-1", "cart/code", 1)) == ("cart/code", 1)
    assert attempt_of(driver_account("b-1", 1), hold_id(account, "cart/code", 1)) is None
    assert attempt_of("b-2", hold_id(account, "cart/code", 1)) is None
    assert [is_driver_account("b-1", name) for name in (account, "b-1", "b-1:2/cart", "b-1~2", "b-12:1")] == [
        True, False, False, False, False,
    ]  # fmt: skip


def test_tallies_and_models_of_all_drivers_come_together() -> None:
    """A cost that one driver does not know is not known of all."""
    one = Tally(runs_finished=2, runs_admitted=3, tasks_planned=9, tasks_in_flight=1, spent_tokens=10, cost_microusd=4)
    one.statuses.update({"ok": 5, "timeout": 1})
    other = Tally(runs_finished=1, runs_admitted=1, tasks_planned=2, spent_tokens=5, cost_microusd=None)
    other.statuses.update({"ok": 2})
    used = ModelUse({("code", "m"): Used(tasks=2, usage=Usage(input_tokens=7), cost_microusd=3)}, cached_replies=1)
    more = ModelUse({("code", "m"): Used(tasks=1, cost_microusd=None), ("code", "n"): Used(tasks=1)}, saved_tokens=9)

    all_told, models = together([one, other]), used_together([used, more])

    assert (all_told.runs_finished, all_told.runs_admitted, all_told.tasks_planned) == (3, 4, 11)
    assert all_told.statuses == {"ok": 7, "timeout": 1}
    assert (all_told.spent_tokens, all_told.cost_microusd) == (15, None)
    assert models.by_model() == {
        "m": Used(tasks=3, usage=Usage(input_tokens=7), cost_microusd=None),
        "n": Used(tasks=1),
    }
    assert (models.cached_replies, models.saved_tokens) == (1, 9)
    assert used.by_model()["m"].tasks == 2


class _Work:
    """Runs of two tasks; a record says how many outcomes there were."""

    def runs(self, shard: Shard) -> Iterator[Run]:
        return shard.pick(
            Run(id=f"r{n}", pattern=FanOut((a_task("a", run=f"r{n}"), a_task("b", run=f"r{n}")))) for n in range(3)
        )

    def record(self, run: Run, state: State) -> int:
        assert run.id.startswith("r")
        return len(state.outcomes)


def test_a_shard_that_nobody_works_on_is_told_of_by_its_outcomes() -> None:
    """Every run has a record; what never came counts as cancelled, so that it counts against the quorum."""
    work = _Work()
    outcomes: list[Outcome] = [a_result(a_task("a", run="r0")), a_failure(a_task("b", run="r0"))]
    outcomes += [a_result(a_task("a", run="r1"))]

    told = replayed(work.runs(Shard()), Known.of([outcome_batch(outcomes)]), work)

    assert told.records == {"r0": 2, "r1": 1, "r2": 0}
    assert told.tally.statuses == {"ok": 2, "timeout": 1, "cancelled": 3}
    assert (told.tally.runs_finished, told.tally.runs_admitted, told.tally.tasks_planned) == (1, 3, 6)


def test_only_outcomes_of_its_own_runs_are_known_to_a_driver() -> None:
    """A batch of a million runs is not held by each of its drivers."""
    batch = outcome_batch([a_result(a_task("a", run=f"r{n}")) for n in range(4)])

    known = Known.of([batch], runs={"r1", "r3"})

    assert [known.has_row(f"r{n}/a") for n in range(4)] == [False, True, False, True]
