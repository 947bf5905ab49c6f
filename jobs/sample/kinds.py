"""What can be planted in a sample estate, and which source shows it."""

from __future__ import annotations

from enum import StrEnum


class Source(StrEnum):
    """One of the four kinds of evidence that a service may have."""

    INCIDENTS = "incidents"
    GIT = "git"
    METRICS = "metrics"
    RUNBOOKS = "runbooks"


class Planted(StrEnum):
    """A problem that somebody should work on."""

    INCIDENT_PRONE = "incident_prone"
    SLOW_TO_RESTORE = "slow_to_restore"
    RECURRING_CAUSE = "recurring_cause"
    REVERT_HOTFIX_CHURN = "revert_hotfix_churn"
    ERRORS_STEPPED_UP_AFTER_DEPLOY = "errors_stepped_up_after_deploy"
    LATENCY_CREEP = "latency_creep"
    SATURATION = "saturation"
    ALERTS_WITHOUT_RUNBOOK = "alerts_without_runbook"
    STALE_RUNBOOKS = "stale_runbooks"
    DEPENDENCY_FAULT = "dependency_fault"  # fails in episodes; the services that call it show the errors as well


class Decoy(StrEnum):
    """What looks like a problem to whoever only counts, and is none."""

    MINOR_INCIDENTS = "minor_incidents"
    CAUSED_ELSEWHERE = "caused_elsewhere"
    BIG_REFACTOR = "big_refactor"
    DEPENDENCY_BUMPS = "dependency_bumps"
    SPACED_REVERTS = "spaced_reverts"
    TRAFFIC_BURSTS = "traffic_bursts"
    LATENCY_SPIKE = "latency_spike"
    HIGH_FLAT_UTILISATION = "high_flat_utilisation"
    OLD_RUNBOOKS = "old_runbooks"


SHOWN_BY: dict[Planted, frozenset[Source]] = {
    Planted.INCIDENT_PRONE: frozenset({Source.INCIDENTS}),
    Planted.SLOW_TO_RESTORE: frozenset({Source.INCIDENTS}),
    Planted.RECURRING_CAUSE: frozenset({Source.INCIDENTS}),
    Planted.REVERT_HOTFIX_CHURN: frozenset({Source.GIT}),
    Planted.ERRORS_STEPPED_UP_AFTER_DEPLOY: frozenset({Source.METRICS, Source.GIT}),
    Planted.LATENCY_CREEP: frozenset({Source.METRICS}),
    Planted.SATURATION: frozenset({Source.METRICS}),
    Planted.ALERTS_WITHOUT_RUNBOOK: frozenset({Source.RUNBOOKS}),
    Planted.STALE_RUNBOOKS: frozenset({Source.RUNBOOKS}),
    Planted.DEPENDENCY_FAULT: frozenset({Source.METRICS, Source.INCIDENTS}),
}
