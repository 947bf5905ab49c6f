"""What is planted shows in its source, and a decoy or a healthy service does not show it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
import yaml

from jobs.sample.alerts import TOPICS
from jobs.sample.estate import AS_OF_S, DAY_S, HOUR_S, WINDOW_S, Service, plan_estate
from jobs.sample.history import BOT, Change, changes_of
from jobs.sample.incidents import HIGH, LOW, Incident, incidents_of
from jobs.sample.kinds import Decoy, Planted
from jobs.sample.runbooks import folders_of, runbook_files, shared_files
from jobs.sample.signals import Signals, signals_of
from jobs.sample.stories import RECURRING

SEEDS = (1, 2, 3, 4, 5)
START_S = AS_OF_S - WINDOW_S


def cast(kind: Planted | Decoy | None) -> list[tuple[Service, int]]:
    """All services of five estates that play `kind`; None: the healthy ones."""
    found = []
    for seed in SEEDS:
        for service in plan_estate(services=40, seed=seed).services:
            part = service.part
            played = (*part.planted, *filter(None, [part.decoy, part.symptom_of])) or (None,)
            found += [(service, seed)] if kind in played else []
    assert found
    return found


def in_window(service: Service, seed: int) -> list[Incident]:
    return [incident for incident in incidents_of(service, seed) if incident.started_s >= START_S]


def changed(service: Service, seed: int) -> list[Change]:
    return [change for change in changes_of(service, seed) if change.at_s >= START_S]


def shares(signals: Signals, since_s: int, until_s: int = AS_OF_S) -> float:
    """The share of errors between two moments."""
    during = (signals.times_s > since_s) & (signals.times_s <= until_s)
    return float(signals.errors[during].sum() / signals.requests[during].sum())


def median(values: Iterable[float]) -> float:
    return float(np.median(list(values)))


def test_the_prone_have_many_bad_incidents_and_the_healthy_few():
    """Seven or more against two or fewer: counting bad ones tells them apart."""
    for service, seed in cast(Planted.INCIDENT_PRONE):
        assert sum(incident.severity <= HIGH for incident in in_window(service, seed)) >= 3
        assert len(in_window(service, seed)) >= 7
    for service, seed in cast(None):
        assert len(in_window(service, seed)) <= 2


def test_slow_ones_take_most_of_a_day_and_did_not_before():
    """Time to restore in the window is ten times what it was in the window before."""
    for service, seed in cast(Planted.SLOW_TO_RESTORE):
        before = [incident for incident in incidents_of(service, seed) if incident not in in_window(service, seed)]
        long = [i for i in in_window(service, seed) if (i.duration_minutes or 1e9) > 12 * 60]
        assert len(long) >= 3
        assert max(incident.duration_minutes or 0 for incident in before) <= 120


def test_one_cause_comes_back_under_different_titles():
    """Four times in the window and twice before it, told with the same words in another order."""
    told = {cause for causes in RECURRING for cause in causes}
    for service, seed in cast(Planted.RECURRING_CAUSE):
        again = [incident for incident in incidents_of(service, seed) if incident.cause in told]
        assert len(again) == len({incident.title for incident in again}) == 6
        assert sum(incident.started_s >= START_S for incident in again) == 4


def test_minor_incidents_are_many_and_harmless():
    """More of them than any prone service has, each over in minutes and by itself."""
    for service, seed in cast(Decoy.MINOR_INCIDENTS):
        minor = [incident for incident in in_window(service, seed) if incident.by_itself]
        assert len(minor) >= 10
        assert all(i.severity == LOW and (i.duration_minutes or 99) <= 6 for i in minor)


def test_incidents_of_others_name_who_caused_them():
    """Those of a decoy name a vendor, those of a symptom the service that it depends on."""
    for service, seed in cast(Decoy.CAUSED_ELSEWHERE):
        assert sum(bool(incident.caused_by) for incident in in_window(service, seed)) >= 5
    for service, seed in cast(Planted.DEPENDENCY_FAULT):
        assert sum(incident.affected == service.dependents for incident in in_window(service, seed)) >= 5


def test_nothing_happens_after_the_estates_now():
    """What is still under way at the end is open."""
    for service in plan_estate(services=60, seed=11).services:
        for incident in incidents_of(service, 11):
            assert incident.started_s <= AS_OF_S
            assert incident.ended_s is None or incident.started_s < incident.ended_s <= AS_OF_S
        assert all(change.at_s <= AS_OF_S for change in changes_of(service, 11))
        assert signals_of(service, 11).times_s[-1] <= AS_OF_S


def test_churn_is_changes_undone_or_mended_within_hours():
    """Five reverts or more and as many hotfixes in the window; nobody else has more than one revert there."""
    for service, seed in cast(Planted.REVERT_HOTFIX_CHURN):
        undone = [change for change in changed(service, seed) if change.undoes]
        assert len(undone) >= 5
        assert all(change.undoes and change.at_s - change.undoes.at_s <= 5 * HOUR_S for change in undone)
        assert sum("fix" in change.subject.lower() for change in changed(service, seed)) >= 5
    for kind in (None, Decoy.SPACED_REVERTS, Decoy.BIG_REFACTOR, Decoy.DEPENDENCY_BUMPS):
        for service, seed in cast(kind):
            assert sum(change.undoes is not None for change in changed(service, seed)) <= 1


def test_busy_decoys_change_more_than_anybody_and_undo_nothing():
    """A refactoring by people and updates by a bot, both above the churning services' rate."""
    for service, seed in cast(Decoy.BIG_REFACTOR):
        assert len(changed(service, seed)) >= 40
    for service, seed in cast(Decoy.DEPENDENCY_BUMPS):
        assert sum(change.author == BOT for change in changed(service, seed)) >= 25


def test_errors_step_up_within_an_hour_of_a_commit():
    """Ten times the errors after the onset, and a change of the service shortly before it."""
    for service, seed in cast(Planted.ERRORS_STEPPED_UP_AFTER_DEPLOY):
        signals = signals_of(service, seed)
        since_s = [service.onset_s - change.at_s for change in changes_of(service, seed)]
        assert shares(signals, service.onset_s + HOUR_S) > 8 * shares(signals, 0, service.onset_s)
        assert any(0 < seconds < HOUR_S for seconds in since_s)


def test_latency_creeps_where_planted_and_spikes_once_in_the_decoy():
    """The last days' median doubled there; here it is what it always was."""
    for kind, low, high in ((Planted.LATENCY_CREEP, 1.9, 4.0), (Decoy.LATENCY_SPIKE, 0.9, 1.1), (None, 0.9, 1.1)):
        for service, seed in cast(kind):
            signals = signals_of(service, seed)
            late, early = signals.times_s > AS_OF_S - 5 * DAY_S, signals.times_s <= START_S
            assert low < median(signals.median_s[late]) / median(signals.median_s[early]) < high


def test_saturation_rises_to_the_limit_and_the_decoy_is_high_and_flat():
    """Over nine tenths at the end from about a half before; or the same four fifths throughout."""
    for service, seed in cast(Planted.SATURATION):
        signals = signals_of(service, seed)
        assert median(signals.saturation[-48:]) > 0.9 > 0.7 > median(signals.saturation[:600])
    for service, seed in cast(Decoy.HIGH_FLAT_UTILISATION):
        signals = signals_of(service, seed)
        assert abs(median(signals.saturation[-48:]) - median(signals.saturation[:600])) < 0.03


def test_a_fault_shows_in_the_cause_more_than_in_its_symptoms():
    """In the same hours, and in no others."""
    for cause, seed in cast(Planted.DEPENDENCY_FAULT):
        services = {service.name: service for service in plan_estate(services=40, seed=seed).services}
        worst = max(shares(signals_of(cause, seed), *episode) for episode in cause.faults)
        assert worst > 0.25
        for name in cause.dependents:
            signals = signals_of(services[name], seed)
            assert 0.05 < max(shares(signals, *episode) for episode in cause.faults) < worst
            assert shares(signals, 0, START_S) < 0.01


def test_bursts_of_traffic_bring_no_more_errors_than_their_share():
    """Traffic of several times the mean, and the share of errors as in any healthy service."""
    for service, seed in cast(Decoy.TRAFFIC_BURSTS):
        signals = signals_of(service, seed)
        assert signals.requests.max() > 2.5 * signals.requests.mean()
        assert shares(signals, START_S) < 0.01


def rules(files: dict[str, str], folder: str) -> list[dict[str, dict[str, str]]]:
    groups = yaml.safe_load(files[f"{folder}/alerts.yml"])["groups"]
    return [rule for group in groups for rule in group["rules"]]


def resolved(files: dict[str, str], folder: str, url: str) -> bool:
    """Whether a runbook's address leads to a page of the folder with a heading of that name."""
    page, _, anchor = url.rsplit("/", 1)[-1].partition("#")
    headings = [line.lstrip("# ").lower() for line in files.get(f"{folder}/{page}", "").splitlines() if line[:1] == "#"]
    return anchor in headings


def test_bare_alerts_lead_nowhere_and_those_of_the_healthy_to_their_page():
    """One alert of six has a runbook where planted; elsewhere all have, but for a quiet one here and there."""
    for service, seed in cast(Planted.ALERTS_WITHOUT_RUNBOOK):
        files, folder = runbook_files(service, seed), folders_of(service)[0]
        urls = [rule["annotations"].get("runbook_url", "") for rule in rules(files, folder)]
        assert (len(urls), sum(resolved(files, folder, url) for url in urls)) == (len(TOPICS), 1)
    for kind in (None, Decoy.OLD_RUNBOOKS):
        for service, seed in cast(kind):
            files, folder = runbook_files(service, seed), folders_of(service)[0]
            for rule in rules(files, folder):
                url = rule["annotations"].get("runbook_url")
                assert resolved(files, folder, url) if url else rule["labels"]["severity"] == "warning"


def test_stale_pages_point_to_what_is_gone_and_old_ones_do_not():
    """Dead links and an alert that no rule raises, beside the age that a decoy has as well."""
    for service, seed in cast(Planted.STALE_RUNBOOKS):
        text = "".join(runbook_files(service, seed).values())
        assert "failover.md" in text
        assert "VmLoadHigh" in text
        assert "failover.md" not in " ".join(runbook_files(service, seed))
    for service, seed in cast(Decoy.OLD_RUNBOOKS):
        text = "".join(runbook_files(service, seed).values())
        assert "failover.md" not in text
        assert len(changed(service, seed)) <= 2


def test_shared_rules_lead_to_shared_pages():
    """What every service falls back on is whole."""
    files = shared_files()

    assert all(
        resolved(files, "runbooks/shared", r["annotations"]["runbook_url"]) for r in rules(files, "runbooks/shared")
    )


@pytest.mark.parametrize("told", RECURRING)
def test_a_recurring_cause_keeps_its_words(told: tuple[str, ...]):
    """Any two tellings share three words or more, so that they can be matched."""
    words = [
        {word.strip(",:()").lower() for word in cause.split()} - {"the", "a", "in", "had", "again"} for cause in told
    ]

    assert all(len(one & other) >= 3 for one in words for other in words)
