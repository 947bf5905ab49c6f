"""The incident tools on files: what they read, what they refuse, and what they answer."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, cast

import pytest

from actors.sources import Incidents, Window
from actors.specialists.base import Answered, Call
from actors.specialists.findings import Findings
from actors.specialists.incidents.specialist import INCIDENTS
from actors.tools.base import SourceError, ToolContext, ToolError
from actors.tools.incidents.records import incidents_of, tracker_of
from actors.tools.incidents.tools import check_citations
from actors.tools.shared import Shared

NOW_S = 1_790_000_000.0
DAY_S = 86_400.0


def context(base: Path, path: str, format: str, *names: str, shared: Shared | None = None) -> ToolContext:
    source, window = Incidents(str(base), path, format, names), Window(NOW_S, 90 * DAY_S)
    inputs = cast(Any, {"incidents": source.as_json(), "window": window.as_json()})
    return ToolContext("task", inputs, "key", shared or Shared())


def call(context: ToolContext, tool: str, **arguments: Any) -> Any:
    found = next(each for each in INCIDENTS.tools if each.name == tool)
    return found.function(context, **found.arguments(arguments))


def answer(context: ToolContext) -> Findings:
    """The analyst's answer, through the tools as a session would call them."""
    assert INCIDENTS.analyst is not None
    answered: list[Answered] = []
    while True:
        said = INCIDENTS.analyst(context.inputs, answered)
        if isinstance(said, Findings):
            return said
        answered += [Answered(c, call(context, c.tool, **c.arguments)) for c in cast(list[Call], said)]


def record(number: int, **fields: Any) -> dict[str, Any]:
    started_s = NOW_S - (number + 1) * DAY_S
    return {
        "id": f"A-{number}",
        "service": "cart",
        "severity": "major",
        "started_at": started_s,
        "ended_at": started_s + 3_600,
        **fields,
    }


def write_lines(file: Path, records: list[dict[str, Any]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(each) + "\n" for each in records))


def test_every_citation_of_an_answer_is_found_in_its_source(tmp_path: Path) -> None:
    """And one that is made up, changed or of another service is not."""
    write_lines(tmp_path / "all.jsonl", [*(record(n) for n in range(8)), record(20, service="search")])
    cart = context(tmp_path, "all.jsonl", "jsonl", "Cart")

    cited = [citation for finding in answer(cart).findings for citation in finding.citations]

    assert cited
    assert list(check_citations(cart, [*cited, "incident:A-99", "A-1", "incident:A-20"])) == [
        "incident:A-99",
        "A-1",
        "incident:A-20",
    ]


def test_a_shared_file_is_read_once_for_all_services(tmp_path: Path) -> None:
    """And again when it changed."""
    write_lines(tmp_path / "all.jsonl", [record(0), record(1, service="search")])
    shared, cart = Shared(), Incidents(str(tmp_path), "all.jsonl", "jsonl", ("cart",))
    search = Incidents(str(tmp_path), "all.jsonl", "jsonl", ("search",))

    assert tracker_of(shared, cart) is tracker_of(shared, search)
    assert [r.id for r in incidents_of(shared, cart)] == ["A-0"]

    write_lines(tmp_path / "all.jsonl", [record(0), record(1), record(2)])

    assert [r.id for r in incidents_of(shared, cart)] == ["A-2", "A-1", "A-0"]


def test_rows_of_one_id_are_one_incident(tmp_path: Path) -> None:
    """One row per affected service, or one per update: neither is counted twice."""
    opened = {**record(3, title="Slow"), "ended_at": None, "status": "open"}
    write_lines(
        tmp_path / "all.jsonl",
        [record(1), record(1, service="search"), opened, record(3, status="resolved", title="Slow: fixed")],
    )
    shared = Shared()

    cart = incidents_of(shared, Incidents(str(tmp_path), "all.jsonl", "jsonl", ("cart",)))
    everything = incidents_of(shared, Incidents(str(tmp_path), "all.jsonl", "jsonl"))

    assert [(r.id, r.services, r.duration_s) for r in cart] == [
        ("A-3", ("cart",), 3_600.0),
        ("A-1", ("cart", "search"), 3_600.0),
    ]
    assert len(everything) == 2


def test_a_record_without_a_service_belongs_to_whom_it_names(tmp_path: Path) -> None:
    """As a whole word of its id, title or text; without names every record belongs."""
    pages = {
        "cart-was-down": "# It was slow\n",
        "two": "# Cart slow\n",
        "three": "# Cartography slow\n",
        "sub/four": "# Other\n\nThe Cart failed.\n",
    }
    for name, text in pages.items():
        (tmp_path / "reviews" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "reviews" / f"{name}.md").write_text(text + "\n- Started: 2026-09-01 10:00\n")

    named = incidents_of(Shared(), Incidents(str(tmp_path), "reviews", "markdown", ("cart",)))
    everything = incidents_of(Shared(), Incidents(str(tmp_path), "reviews", "markdown"))

    assert {r.id for r in named} == {"cart-was-down", "two", "sub/four"}
    assert len(everything) == 4


def test_a_folder_of_lines_and_a_single_page_work_as_well(tmp_path: Path) -> None:
    """A manifest names a file or a folder; both make sense for every format."""
    write_lines(tmp_path / "lines/a.jsonl", [record(0)])
    write_lines(tmp_path / "lines/b/c.ndjson", [record(1)])
    (tmp_path / "page.md").write_text("---\ntitle: Slow\ndate: 2026-09-01 10:00:00\nseverity: down\n---\n")

    assert len(incidents_of(Shared(), Incidents(str(tmp_path), "lines", "jsonl"))) == 2
    assert [r.id for r in incidents_of(Shared(), Incidents(str(tmp_path), "page.md", "cstate"))] == ["page"]
    assert [r.id for r in incidents_of(Shared(), Incidents(str(tmp_path), "page.md", "markdown"))] == ["page"]


@pytest.mark.parametrize(
    ("path", "format", "what"),
    [
        ("broken.jsonl", "jsonl", r"broken\.jsonl:2 is not JSON"),
        ("latin.jsonl", "jsonl", r"latin\.jsonl is not UTF-8 \(byte 7\)"),
        ("missing.jsonl", "jsonl", "does not exist"),
        ("../outside.jsonl", "jsonl", "leaves the manifest's folder"),
        ("link.jsonl", "jsonl", "leaves the manifest's folder"),
        ("linked", "markdown", "leaves the manifest's folder"),
        ("empty", "markdown", "holds no file"),
        ("broken.jsonl", "csv", "'csv'; known are cstate, jsonl, markdown"),
    ],
)
def test_a_source_that_cannot_be_read_says_why(tmp_path: Path, path: str, format: str, what: str) -> None:
    """The reason ends up in the report, so it names the file, the line or the byte."""
    base = tmp_path / "base"
    (base / "linked").mkdir(parents=True)
    (base / "empty").mkdir()
    (tmp_path / "outside.jsonl").write_text('{"id": "A-1"}\n')
    (base / "link.jsonl").symlink_to(tmp_path / "outside.jsonl")
    (base / "linked/page.md").symlink_to(tmp_path / "outside.jsonl")
    (base / "broken.jsonl").write_text('{"id": "A-1"}\n{"id": \n')
    (base / "latin.jsonl").write_bytes('{"id":"é"}'.encode("latin-1"))

    with pytest.raises(SourceError, match=what):
        call(context(base, path, format), "summarize_incidents")


def test_an_empty_file_is_a_tracker_without_records(tmp_path: Path) -> None:
    """It is read, and tells nothing: a gap, neither a failure nor health."""
    (tmp_path / "none.jsonl").write_text("")

    told = answer(context(tmp_path, "none.jsonl", "jsonl", "cart"))

    assert told.findings == []
    assert "users_affected" not in told.facts
    assert any("no record of this service" in gap for gap in told.gaps)


def test_a_task_without_the_source_is_refused() -> None:
    """The planner asks nobody about a source that a service lacks; should it happen, it is said."""
    with pytest.raises(SourceError, match="no incident source"):
        call(ToolContext("task", {}, "key", Shared()), "summarize_incidents")


def test_a_path_that_nothing_can_be_read_from_is_refused_at_once(tmp_path: Path) -> None:
    """A pipe would be waited for without end; a link to itself and an endless name are told as what they are."""
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "circle.jsonl").symlink_to("circle.jsonl")

    for path, said in (("pipe.jsonl", "is a pipe"), ("circle.jsonl", "symbolic links"), ("x" * 300, "too long")):
        with pytest.raises(SourceError, match=said):
            call(context(tmp_path, path, "jsonl"), "summarize_incidents")


def test_records_can_be_listed_and_read(tmp_path: Path) -> None:
    """Bounded, with citations, and an unknown id is something that a model can mend."""
    write_lines(
        tmp_path / "all.jsonl",
        [record(n, description="x" * 50_000, severity="minor" if n else "critical") for n in range(60)],
    )
    cart = context(tmp_path, "all.jsonl", "jsonl", "cart")

    listed = call(cart, "list_incidents", severity="minor", limit=5)
    read = call(cart, "read_incident", id="incident:A-0")

    assert (listed["found"], len(listed["records"])) == (59, 5)
    assert (read["citation"], read["severity"], read["text_characters"]) == ("incident:A-0", "critical", 20_000)
    assert len(json.dumps(read)) < 5_000
    with pytest.raises(ToolError, match="'A-999' is no incident of this service"):
        call(cart, "read_incident", id="A-999")
    with pytest.raises(ToolError, match="limit"):
        call(cart, "list_incidents", limit=10_000)
