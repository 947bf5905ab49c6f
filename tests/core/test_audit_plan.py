"""The audit's plan: which tasks a service gets, and what each is given."""

from __future__ import annotations

import json

import pytest

from actors.sources import Metrics, Neighbour, Window
from budget.errors import TaskError
from jobs.audit import AGENTS, PlanSettings, plan, subject
from orchestrator.claims import SOURCES
from support.manifests import ALL, catalog_of, component

SETTINGS = PlanSettings(batch_id="b-1", tokens_max=9_000, deadline_s=20.0, turns_max=5)


def test_each_specialist_gets_its_own_sources_and_no_others() -> None:
    """Isolation begins with what is handed over."""
    catalog = catalog_of(component(**ALL))

    tasks = plan(catalog.services[0], catalog, SETTINGS)

    assert {task.agent: sorted(task.inputs) for task in tasks} == {
        "incidents": ["incidents", "service", "window"],
        "code": ["git", "incidents", "service", "window"],
        "metrics": ["metrics", "service", "window"],
        "runbooks": ["git", "incidents", "runbooks", "service", "window"],
    }
    assert {(t.run_id, t.tokens_max, t.deadline_s, t.turns_max) for t in tasks} == {("cart", 9_000, 20.0, 5)}


def test_a_source_travels_as_its_fields_and_nothing_else() -> None:
    """What is handed over is read by models too: nothing of how we keep it is among it."""
    metrics = Metrics("/estate", url="http://p", selector="{a='b'}", neighbours=(Neighbour("db", "dependency"),))

    told = metrics.as_json()

    neighbour = {"service": "db", "relation": "dependency", "url": "", "selector": "", "file": ""}
    assert told == {"_base": "/estate", "url": "http://p", "selector": "{a='b'}", "file": "", "neighbours": [neighbour]}
    assert Metrics.of({"metrics": told}) == metrics


def test_a_source_that_a_service_lacks_gets_no_task() -> None:
    """Nobody is asked about what is not there, and the synthesis knows who was asked."""
    catalog = catalog_of(component(git="a.git"))

    assert [task.agent for task in plan(catalog.services[0], catalog, SETTINGS)] == ["code"]
    assert subject(catalog.services[0]).agents == ("code",)
    assert subject(catalog.services[0]).owner == "team-a"


def test_inputs_survive_json_and_are_read_back_as_they_were() -> None:
    """Tasks are rows of a table; the tools read the same records that the planner wrote."""
    catalog = catalog_of(component("cart", depends_on=["component:db"], **ALL), component("db", metrics_file="db.om"))
    task = next(task for task in plan(catalog.services[0], catalog, SETTINGS) if task.agent == "metrics")

    inputs = json.loads(json.dumps(task.inputs))

    metrics = Metrics.of(inputs)
    assert metrics is not None
    assert metrics.neighbours == (Neighbour("db", "dependency", file="db.om"),)
    assert Window.of(inputs) == catalog.services[0].window


def test_the_same_service_gives_the_same_tasks_and_keys() -> None:
    """A resumed batch asks under the same keys; another batch asks under its own."""
    catalog = catalog_of(component(**ALL))
    service = catalog.services[0]

    once, again = plan(service, catalog, SETTINGS), plan(service, catalog, SETTINGS)
    other = plan(service, catalog, PlanSettings(batch_id="b-2"))

    assert once == again
    assert len({task.idempotency_key for task in once + other}) == 8
    assert [task.id for task in once] == [f"cart/{agent.name}" for agent in AGENTS]


def test_the_objective_says_service_and_window_and_nothing_of_the_batch() -> None:
    """A sub-agent knows its task and nothing else."""
    catalog = catalog_of(component(**ALL), component("other"))

    objective = plan(catalog.services[0], catalog, SETTINGS)[0].objective

    assert "service 'cart' of system 'shop'" in objective
    assert "the 14 days from 2026-08-09T19:00:00Z to 2026-08-23T19:00:00Z" in objective
    assert "other" not in objective.replace("another", "")


def test_the_plan_and_the_synthesis_know_the_same_agents() -> None:
    """A specialist that is asked has a place in the report."""
    assert [agent.name for agent in AGENTS] == list(SOURCES)


def test_a_key_that_providers_would_refuse_is_refused_here() -> None:
    """Before anything is spent, with the limit in the message."""
    catalog = catalog_of(component("c" * 200, **ALL))

    with pytest.raises(TaskError, match="at most 255"):
        plan(catalog.services[0], catalog, PlanSettings(batch_id="b" * 60))
