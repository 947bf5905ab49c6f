"""The answer for people: `report.md` from a summary. Everything that data says is escaped where it enters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, TypeAlias

from orchestrator import report_parts as parts
from orchestrator.markdown import table, text
from orchestrator.report_synthesis import synthesis

Summary: TypeAlias = Mapping[str, Any]


def report(summary: Summary) -> Iterator[str]:
    """The report of one batch as Markdown, line by line: services are looked at one after the other.

    Every service has a line; the first SERVICES_IN_FULL_MAX that want looking at have a section. Longer lists end in a
    line that says how many more are in summary.json.
    """
    first = True
    for section in _sections(summary):
        for number, line in enumerate(section):
            yield line + "\n" if first or number else f"\n{line}\n"
            first = False


def _sections(summary: Summary) -> Iterator[Iterable[str]]:
    """Those that have something to say."""
    noted, failures = parts.Noted(), parts.Failures()
    for service in summary["services"]:
        noted.add(service)
    for failed in summary["failures"]:
        failures.add(failed)
    yield _head(summary)
    yield synthesis(summary)
    yield parts.gaps(summary["not_known"], noted, failures)
    yield _ranking(summary["services"])
    yield parts.groups(summary["groups"])
    yield from map(parts.service, noted.in_full)
    yield noted.conflicts.lines()
    yield noted.struck.lines()
    yield failures.listed.lines()
    yield _reading()


def _head(summary: Summary) -> list[str]:
    return [
        "# Reliability audit",
        "",
        f"**Question.** {text(summary['question'])}",
        "",
        f"**Answer.** {text(summary['answer'], characters_max=4_000)}",
        "",
        f"- **Coverage.** {_coverage(summary['coverage'])}",
        f"- **Budget.** {_budget(summary['budget'])}",
        f"- **Spent by.** {_spent_by(summary['budget'])}",
        f"- **Model.** {_model(summary['model'])}{_tiers(summary['models'])}",
        *_fallbacks(summary["models"]),
        *_watchdog(summary["models"]),
        *_caches(summary["cache"]),
        f"- **Run.** {text(summary['run_id'])}: {text(summary['status'])}, {text(summary['mode'])}, "
        f"{summary['elapsed_s']:.1f} s",
    ]


def _coverage(coverage: Mapping[str, Any]) -> str:
    services, tasks = coverage["services"], coverage["tasks"]
    failed = ", ".join(f"{count} {text(reason)}" for reason, count in tasks["failed"].items())
    return (
        f"{services['reported']}/{services['total']} services reported, "
        f"{tasks['succeeded']}/{tasks['planned']} tasks answered" + (f" (failed: {failed})." if failed else ".")
    )


def _budget(budget: Mapping[str, Any]) -> str:
    spent = budget["spent_microusd"]
    cost = "cost unknown (the model has no known price)" if spent is None else f"${spent / 1e6:,.4f}"
    limit = budget["limit_microusd"]
    unseen = budget["charged_unseen_tokens"]
    return (
        f"{budget['spent_tokens']:,} of {_limit(budget['limit_tokens'])} tokens, {cost} of "
        + ("no dollar limit" if limit is None else f"${limit / 1e6:,.2f}")
        + (f"; {unseen:,} of these tokens are charged without a bill seen for them." if unseen else ".")
    )


def _spent_by(budget: Mapping[str, Any]) -> str:
    spend = budget["spend"]
    agents = ", ".join(f"{text(name)} {share['tokens']:,}" for name, share in spend["by_agent"].items()) or "nobody"
    models = ", ".join(f"{text(name)} {share['tokens']:,}" for name, share in spend["by_model"].items()) or "none"
    return (
        f"specialist: {agents}; model: {models}; failures: {spend['failures']['tokens']:,} tokens. "
        f"{budget['returned_tokens']:,} tokens were held in all and not needed."
    )


def _limit(tokens: int | None) -> str:
    return "unlimited" if tokens is None else f"{tokens:,}"


def _model(model: str) -> str:
    if model.startswith("offline"):
        return (
            f"{text(model)}: real tools on real data, rules instead of a model. No model was asked; "
            "findings and severities come from stated rules (docs/scoring.md)."
        )
    return f"{text(model)}; the score and the ranking come from stated rules (docs/scoring.md)."


def _tiers(models: Mapping[str, Any] | None) -> str:
    """What one model for all would have cost, where that is known. The same tokens: another would have used others."""
    one = models["one_model"] if models else None
    if not one or one["saved_share"] is None:
        return ""
    return (
        f" The tokens that were billed cost ${one['same_tokens_microusd'] / 1e6:,.4f}; at the prices of "
        f"{text(one['model'])} for all they would have cost ${one['cost_microusd'] / 1e6:,.4f} "
        f"({one['saved_share']:.0%} saved)."
    )


def _fallbacks(models: Mapping[str, Any] | None) -> list[str]:
    """Whose answers are not by the model that was chosen."""
    rows = models["fallbacks"] if models else []
    if not rows:
        return []
    told = "; ".join(
        f"{row['tasks']:,} of {text(row['agent'])} with {text(row['answered_by'])} instead of {text(row['model'])}"
        for row in rows
    )
    rules = (
        " Offline means stated rules in place of a model." if any(r["answered_by"] == "offline" for r in rows) else ""
    )
    return [f"- **Degraded.** Sub-agents whose model was down worked with another: {told}.{rules}"]


def _watchdog(models: Mapping[str, Any] | None) -> list[str]:
    """What the small model that looks on cost, which is part of what was spent."""
    one = models["watchdog"] if models else None
    if not one or not one["looks"]:
        return []
    cost = "cost unknown" if one["cost_microusd"] is None else f"${one['cost_microusd'] / 1e6:,.4f}"
    return [f"- **Watchdog.** {one['looks']:,} looks by a model took {one['tokens']:,} of these tokens ({cost})."]


def _caches(cache: Mapping[str, Any] | None) -> list[str]:
    if not cache or not (cache["replies"] or cache["results"]):
        return []
    return [
        f"- **Cache.** {cache['replies']:,} replies and {cache['results']:,} tool results were known already: "
        f"{cache['saved_tokens']:,} tokens saved."
    ]


def _ranking(services: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    rows = (
        (
            str(service["rank"]),
            text(service["name"]),
            service["verdict"].replace("_", " "),
            f"{service['score']:.1f}",
            text(service["owner"]) or "nobody",
            parts.sources_read(service["sources"]),
            parts.first_finding(service),
        )
        for service in services
    )
    head = ("#:", "service", "verdict", "score:", "owner", "read", "weightiest finding")
    return chain(["## Ranking", ""], table(head, rows)) if services else ()


def _reading() -> list[str]:
    return [
        "## How to read this",
        "",
        "Scores run from 0 to 100; docs/scoring.md states the rules. A source that is absent or failed counts with the "
        "median of the services where it was read: neither credit nor blame. Each citation was looked up in its source "
        "by code; claims whose citations did not hold are struck out and listed. docs/audit.md explains each part.",
    ]
