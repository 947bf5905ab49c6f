"""The page over a whole batch: what it covers, cites and names, at any size and with leads that fail or invent."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from actors.assembly import role_of
from actors.contracts import Outcome, Reason, Result, Task, Usage
from actors.models.base import ModelReply, ModelRequest, StopReason, Text
from actors.session import Session
from actors.specialists.lead import LEAD, overview, seen
from actors.steps import Begun
from actors.tools.base import ToolContext
from actors.tools.shared import Shared
from orchestrator.batch_synthesis import Bounds, synthesis_page, synthesis_run
from orchestrator.evidence import Evidence
from orchestrator.groups import by_cause
from orchestrator.lead_costs import BYTES_PER_TOKEN
from orchestrator.report_synthesis import synthesis
from orchestrator.runs import State
from orchestrator.synthesis import encoded, summarize
from support.answers import HEAD, a_finding, an_answer, by_name, evidence_of, ranked
from support.batches import Answerer, a_service, by_rules, carried_through, estate, failing, last_run, standings
from support.tasks import a_failure, a_result

SMALL = Bounds(batch_id="b", tokens_per_task=32_000)


def page_of(services: int, bounds: Bounds = SMALL, answer: Answerer = by_rules) -> dict[str, Any]:
    run = last_run(services, bounds)
    return synthesis_page(run, carried_through(run, answer), standings(services))


@pytest.mark.parametrize("services", [1, 2, 40, 700])
def test_every_service_is_read_once_and_counted_at_the_top(services: int) -> None:
    """Coverage is carried up by code; the lowest nodes read each service exactly once, higher ones read nodes."""
    page = page_of(services)

    read = [name for node in page["nodes"] for name in node["read"]]
    assert sorted(name for name in read if not name.startswith("@")) == [f"svc-{n:04d}" for n in range(services)]
    assert sorted(name for name in read if name.startswith("@")) == sorted(node["node"] for node in page["nodes"][:-1])
    assert page["covered"]["services"] == page["nodes"][-1]["services"] == services
    assert sum(page["covered"]["verdicts"].values()) == services
    assert sum(owner["services"] for owner in page["covered"]["owners"]) == services


def test_common_causes_are_added_up_over_the_whole_tree() -> None:
    """A cause that a third of the services share is one cause with all of them, though no node read them all."""
    page = page_of(300)

    assert len(page["nodes"]) > 3
    assert {cause["name"]: cause["services_count"] for cause in page["causes"]} == {
        "expired certificates": 100, "no canary": 100, "shared queue": 100,
    }  # fmt: skip


def test_the_page_ranks_as_the_rules_do_and_cites_findings_that_are_there() -> None:
    """What to begin with is the top of the ranking; every id points at a finding of its service in summary.json."""
    page = page_of(300)

    findings = {name: len(evidence.claims) for name, evidence in estate(300).items()}
    assert [entry["service"] for entry in page["first"]] == [s.brief.name for s in standings(300)[: len(page["first"])]]
    for citation in (c for entry in (*page["first"], *page["causes"]) for c in entry["citations"]):
        service, _, number = citation.partition("#")
        assert 1 <= int(number) <= findings[service]


def test_a_larger_window_makes_fewer_nodes_and_each_fits_its_ceiling() -> None:
    """Groups are as large as a node may read: a byte counts as a token until somebody knows better."""
    counts = []
    for tokens in (30_000, 60_000, 200_000):
        run = last_run(700, Bounds(batch_id="b", tokens_per_task=tokens))
        tasks = carried_through(run).planned.values()
        counts.append(len(tasks))
        sizes = [len(json.dumps(task.inputs, separators=(",", ":"))) for task in tasks]
        assert max(sizes) + LEAD.output_tokens_max < tokens

    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1]


def test_a_small_budget_shows_less_of_each_service_and_then_fewer_services_and_says_whom() -> None:
    """The worst-ranked are read first; those left out are named."""
    rich, poor = (
        page_of(2_000, Bounds(batch_id="b", tokens_per_task=200_000, tokens_left=left)) for left in (10_000_000, 60_000)
    )

    assert rich["left_out"] == []
    assert len(poor["left_out"]) + poor["read"] == 2_000
    assert standings(2_000)[0].brief.name in poor["nodes"][0]["read"]
    assert "were read by no lead, for want of budget" in "\n".join(synthesis({"synthesis": poor}))


def test_what_code_counts_it_counts_over_all_services_whatever_leads_have_read() -> None:
    """Counting costs no tokens: a small budget takes words from the page, and no figure."""
    rich, poor = (page_of(2_000, Bounds(batch_id="b", tokens_per_task=200_000, tokens_left=t)) for t in (None, 60_000))

    assert 0 < poor["read"] < 2_000
    assert poor["covered"] == rich["covered"]
    assert poor["owners"] != []
    for name in ("covered", "not_known"):
        assert poor[name] == rich[name]
    for name in ("causes", "owners"):
        assert [_figures(entry) for entry in poor[name]] == [_figures(entry) for entry in rich[name]]


def _figures(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: said for name, said in entry.items() if name not in ("claim", "citations", "by")}


@pytest.mark.parametrize("tokens_left", [0, 1, 20_000])
def test_where_no_lead_can_be_paid_rules_write_over_all_services(tokens_left: int) -> None:
    """A page about the handful that the rest of the budget pays for would be worse than none: nobody is asked."""
    bounds = Bounds(batch_id="b", tokens_per_task=200_000, tokens_left=tokens_left)
    run = last_run(300, bounds)
    page = synthesis_page(run, carried_through(run), standings(300))

    assert not carried_through(run).planned
    assert (page["by"], page["trouble"]) == ("rules", "what the budget had left pays for no lead")
    assert page["covered"]["services"] == 300
    assert [entry["service"] for entry in page["first"]] == [s.brief.name for s in standings(300)[:15]]
    assert {cause["services_count"] for cause in page["causes"]} == {100}


def test_a_node_holds_what_its_reading_can_cost_and_not_its_whole_ceiling() -> None:
    """What one node holds and does not need, no other can hold: the worst of its first call, and a repair as usual."""
    run = last_run(40, Bounds(batch_id="b", tokens_per_task=200_000))
    (task,) = carried_through(run).planned.values()
    session = Session(task, role_of(LEAD, "m"))
    first = session.step(Begun())
    assert isinstance(first, ModelRequest)
    usage = Usage((session.bound_tokens - first.output_tokens_max) // 3, LEAD.output_tokens_max)

    second = session.step(ModelReply(blocks=(Text("{}"),), usage=usage, model="m", stop_reason=StopReason.END_TURN))

    assert task.tokens_max < 80_000
    assert first.output_tokens_max == LEAD.output_tokens_max
    assert isinstance(second, ModelRequest)
    assert second.output_tokens_max == LEAD.output_tokens_max


@pytest.mark.parametrize("waits", [True, False])
@pytest.mark.parametrize("tokens_left", range(30_000, 500_000, 47_000))
def test_every_node_that_is_planned_can_be_paid_from_what_the_batch_has_left(tokens_left: int, waits: bool) -> None:
    """No lead is skipped while the tree is affordable: nodes are so small that one fits beside what others spend."""
    left = tokens_left

    def paid(task: Task) -> Outcome:
        nonlocal left
        if task.tokens_max > left:
            return a_failure(task, Reason.BUDGET_SKIP)
        answer = by_rules(task)
        left -= (len(json.dumps(task.inputs)) + len(json.dumps(answer.output)) + 8_000) // BYTES_PER_TOKEN
        return answer

    bounds = Bounds(batch_id="b", tokens_per_task=200_000, tokens_left=tokens_left, waits=waits)
    run = last_run(1_000, bounds)
    state = carried_through(run, paid)
    lowest = [task.tokens_max for task in state.planned.values() if "services" in task.inputs]

    assert synthesis_page(run, state, standings(1_000))["partial"] == []
    assert waits or sum(lowest) <= tokens_left


def test_the_page_of_a_lead_that_failed_is_written_by_rules_and_named() -> None:
    """A lost node loses no service; the page says which part no lead has read, and why."""
    page = page_of(300, answer=failing("@synthesis/0.1", reason=Reason.BUDGET_SKIP))

    assert page["covered"]["services"] == 300
    assert [part["trouble"] for part in page["partial"]] == ["budget_skip: late"]
    assert page["partial"][0]["services"] > 0
    assert "merged by rules, since its lead failed" in "\n".join(synthesis({"synthesis": page}))


def test_when_all_leads_fail_the_rules_page_says_so() -> None:
    """Never no page, and never one that hides who wrote it."""
    page = page_of(40, answer=failing("@synthesis"))

    assert page["by"] == "rules"
    assert page["first"]
    assert "Written by rules" in "\n".join(synthesis({"synthesis": page}))


def test_what_a_lead_cannot_have_read_is_struck() -> None:
    """Ids and names that were not in its inputs do not reach the page, nor claims that stand on nothing else."""

    def inventive(task: Task) -> Result:
        told = overview(task.inputs).model_dump()
        told["first"].insert(0, {"service": "ghost", "why": "It haunts", "citations": ["ghost#1"]})
        told["first"][1]["citations"].append("svc-9999#1")
        cause = {"name": "ghosts", "claim": "Everywhere", "services": ["ghost"], "citations": ["ghost#1"]}
        told["causes"].insert(0, {**cause, "services_count": 9})
        told["causes"][1]["services_count"] = 1_000_000
        told["owners"].append({"owner": "ghost-team", "claim": "Much to do", "services": []})
        told["first"] = told["first"][:15]
        return a_result(task, answer=json.dumps(told))

    page = page_of(40, answer=inventive)

    assert "ghost" not in json.dumps({name: page[name] for name in ("first", "causes", "owners", "not_known")})
    assert {cause["services_count"] for cause in page["causes"]} <= {13, 14}
    assert {"svc-9999#1", "ghost#1"} <= {said for entry in page["struck"] for said in entry.get("citations", ())}


def test_causes_are_counted_over_all_records_whatever_pages_on_the_way_had_room_for() -> None:
    """A page keeps ten causes, so a lower node drops some; the counts and their order are those of the groups."""
    evidence = [_with_causes(f"svc-{n:04d}", f"cause {n % 23}", f"reason {n % 7}") for n in range(400)]
    run = synthesis_run(ranked(*evidence), by_name(*evidence), SMALL)
    page = synthesis_page(run, carried_through(run), ranked(*evidence))

    groups = [(group.name, len(group.services)) for group in by_cause(ranked(*evidence))]
    told = [(cause["name"], cause["services_count"]) for cause in page["causes"]]
    assert len(page["nodes"]) > 3
    assert told[:10] == groups[:10]
    assert set(told) <= set(groups)
    assert not any(cause["at_least"] for cause in page["causes"])


def _with_causes(name: str, *causes: str) -> Evidence:
    findings = [a_finding(f"{name} suffers from {cause}", severity="high", cause=cause) for cause in causes]
    return evidence_of(an_answer(*findings, service=name), service=name, agents=("incidents",))


def test_a_cause_that_only_a_lead_names_has_at_least_the_services_that_it_names() -> None:
    """No record knows it by that name, so its count is nobody's but the lead's, and no larger than what it shows."""

    def sweeping(task: Task) -> Result:
        told = overview(task.inputs).model_dump()
        told["causes"][0] |= {"name": "All is lost", "services": ["svc-0001", "svc-0002"], "services_count": 10**9}
        return a_result(task, answer=json.dumps(told))

    page = page_of(40, answer=sweeping)

    lost = next(cause for cause in page["causes"] if cause["name"] == "All is lost")
    assert (lost["services_count"], lost["at_least"]) == (2, True)
    assert "**All is lost**, at least 2 services (svc-0001, svc-0002)" in "\n".join(synthesis({"synthesis": page}))
    assert len([cause for cause in page["causes"] if not cause["at_least"]]) == 3


def test_what_was_not_read_is_on_the_page_though_its_lead_says_nothing_of_it() -> None:
    """A lead sees a few findings of each service; of whom too little was read, code knows."""

    def silent(task: Task) -> Result:
        told = overview(task.inputs).model_dump() | {
            "not_known": [{"what": "Why", "services": [], "services_count": 9}]
        }
        return a_result(task, answer=json.dumps(told))

    dark = [evidence_of(an_answer(service=f"dark-{n}"), service=f"dark-{n}", agents=("incidents",)) for n in range(3)]
    evidence = [*map(a_service, range(20)), *dark]
    run = synthesis_run(ranked(*evidence), by_name(*evidence), SMALL)
    page = synthesis_page(run, carried_through(run, silent), ranked(*evidence))

    counts = {gap["what"]: (gap["services_count"], gap["by"]) for gap in page["not_known"]}
    assert counts["too little was read to call them healthy"] == (3, "rules")
    assert counts["git absent"] == (5, "rules")
    assert counts["Why"] == (0, "lead")
    assert "too little was read to call them healthy: 3 services" in "\n".join(synthesis({"synthesis": page}))


def test_the_answer_begins_with_counts_and_ends_in_the_words_of_the_lead() -> None:
    """Free text is nobody's figure: a reader sees what was counted first, and whose words follow."""

    def cheerful(task: Task) -> Result:
        told = overview(task.inputs).model_dump() | {"summary": "ALL 40 services are healthy"}
        return a_result(task, answer=json.dumps(told))

    run = last_run(40, SMALL)
    state = carried_through(run, cheerful)
    summary = summarize(HEAD, estate(40), lambda ranked: synthesis_page(run, state, ranked))

    counted, _, words = summary["answer"].partition(" In the words of the lead that read them all: ")
    assert counted == summarize(HEAD, estate(40))["answer"]
    assert words == "ALL 40 services are healthy"


def test_what_a_lead_says_twice_stands_on_the_page_once() -> None:
    """One service named over and over would push all others off it."""

    def stuttering(task: Task) -> Result:
        told = overview(task.inputs).model_dump()
        told["first"] = [told["first"][0] | {"why": f"For reason {n}"} for n in range(15)]
        told["causes"] = [told["causes"][0] | {"name": name} for name in ("no canary", "No Canary ", "no canary")]
        return a_result(task, answer=json.dumps(told))

    page = page_of(40, answer=stuttering)

    assert [entry["why"] for entry in page["first"]] == ["For reason 0"]
    assert [cause["name"] for cause in page["causes"]].count("no canary") == 1


def test_a_service_has_one_score_wherever_it_is_named() -> None:
    """A score that is rounded twice may come to another one."""
    run = last_run(300, SMALL)
    state = carried_through(run)
    summary = summarize(HEAD, estate(300), lambda ranked: synthesis_page(run, state, ranked))

    scores = {service["name"]: service["score"] for service in summary["services"]}
    told = {entry["service"]: entry["score"] for entry in summary["synthesis"]["first"]}
    assert told == {name: scores[name] for name in told}


def test_the_host_reports_citations_that_a_lead_was_not_given() -> None:
    """The same check runs where the lead does, so the outcome table shows it."""
    run = last_run(3, SMALL)
    (task,) = carried_through(run).planned.values()
    context = ToolContext(task.id, task.inputs, "k", Shared())

    assert LEAD.check_citations is not None
    assert list(LEAD.check_citations(context, ["svc-0001#1", "svc-0001#9", "svc-0001"])) == ["svc-0001#9", "svc-0001"]
    assert seen(task.inputs).services == {"svc-0000", "svc-0001", "svc-0002"}


def test_the_same_services_give_the_same_bytes_in_any_order() -> None:
    """Deterministic: the order in which services and nodes finished leaves no trace."""

    def summary(seed: int) -> bytes:
        chance = random.Random(seed)
        evidence = by_name(*chance.sample([a_service(n) for n in range(200)], 200))
        run = last_run(200, SMALL)
        state = carried_through(run, order=lambda step: chance.sample(step, len(step)))
        return b"".join(encoded(summarize(HEAD, evidence, lambda standings: synthesis_page(run, state, standings))))

    assert all(summary(seed) == summary(0) for seed in range(1, 6))


def test_the_page_stays_a_page_whatever_the_number_of_services() -> None:
    """One page: a bounded number of lines, each bounded."""
    lines = synthesis({"synthesis": page_of(2_000)})

    assert len(lines) < 70
    assert sum(map(len, lines)) < 12_000


def test_rules_stand_in_for_leads_that_were_never_asked() -> None:
    """An interrupted batch has the page that it would have had without leads, and says why there were none."""
    page = synthesis_page(last_run(40, SMALL), State(), standings(40))
    without = "\n".join(synthesis(summarize(HEAD, estate(40))))

    told = "\n".join(synthesis({"synthesis": page}))
    assert (page["by"], page["read"], page["nodes"]) == ("rules", 0, [])
    assert "without leads: the batch ended before its leads were asked" in told
    assert told.partition("### ")[2] == without.partition("### ")[2]
