"""The runbook tools on real folders: pages, rules, repositories, and all that can be wrong with them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from actors.sources import Git, Incidents, Runbooks, Window
from actors.specialists.base import Answered, Call
from actors.specialists.findings import Findings
from actors.specialists.runbooks.specialist import analyst
from actors.tools.base import SourceError, Tool, ToolContext, ToolError
from actors.tools.runbooks.tools import check_citations, check_pages, cover_incidents, map_alerts, read_page
from actors.tools.shared import Shared

DAY_S = 86_400
AS_OF_S = 1_717_200_000.0  # 2024-06-01
RULES = """\
groups:
  - name: cart
    rules:
      - {alert: CartErrors, expr: up, labels: {severity: critical}, annotations: {runbook_url: errors.md}}
      - {alert: CartDiskFull, expr: up, labels: {severity: critical}}
      - {alert: CartSlow, expr: up, labels: {severity: warning}, annotations: {runbook_url: gone.md}}
"""
PAGE = """\
# Errors

Last reviewed: 2024-05-01

## Diagnosis

When requests fail and callers notice an outage, find the replica that fails and restart it.

1. Check `kubectl logs deploy/cart`.
2. Restart it, see [on call](../shared/oncall.md) and [more](more.md).
"""
SHARED_RULES = """\
- {alert: DiskWillFill, expr: 'disk{service="cart"} > 1', labels: {severity: page}}
- {alert: NodeDown, expr: up, labels: {severity: page}}
"""


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A manifest's folder: the service's own runbooks, and shared ones."""
    write(tmp_path / "runbooks/cart/errors.md", PAGE)
    write(tmp_path / "runbooks/cart/alerts.yml", RULES)
    write(tmp_path / "runbooks/shared/oncall.md", "# On call\n\nAsk the rota.\n")
    write(tmp_path / "runbooks/shared/rules/node.yaml", SHARED_RULES)
    return tmp_path


def write(file: Path, text: str | bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())


def context(base: Path, *folders: str, shared: Shared | None = None, **more: Any) -> ToolContext:
    sources = [Runbooks(str(base), folders or ("runbooks/cart", "runbooks/shared")), Window(AS_OF_S, 90 * DAY_S)]
    inputs = {source.key: source.as_json() for source in [*sources, *more.values()]}
    return ToolContext("cart/runbooks", {"service": "cart", **inputs}, "key", shared or Shared())


def call(tool: Tool, given: ToolContext, **arguments: Any) -> Any:
    return tool.function(given, **tool.arguments(arguments))


def test_each_alert_is_mapped_to_what_it_has(base: Path):
    """The service's own alerts, and those of a shared folder that name it; the worst first, each with its line."""
    found = call(map_alerts, context(base))

    assert [(row["alert"], row["state"], row["cite"]) for row in found["rows"]] == [
        ("CartDiskFull", "none", "runbook:runbooks/cart/alerts.yml:5"),
        ("DiskWillFill", "none", "runbook:runbooks/shared/rules/node.yaml:1"),
        ("CartSlow", "dead", "runbook:runbooks/cart/alerts.yml:6"),
        ("CartErrors", "usable", "runbook:runbooks/cart/alerts.yml:4"),
    ]
    assert found["states"] == {"paging": {"usable": 1, "none": 2}, "ticket": {"dead": 1}}
    assert found["shared_alerts"] == 1


def test_pages_are_checked_with_their_links(base: Path):
    """A link between folders is followed, one to a page that should be here and is not is dead."""
    found = call(check_pages, context(base))

    assert (found["pages"], found["runbooks"], found["shared_pages"]) == (1, 1, 1)
    assert found["dead_links"]["rows"] == [
        {"target": "more.md", "why": "the page is not there", "cite": "runbook:runbooks/cart/errors.md:10"}
    ]
    assert (found["stale"]["count"], found["stale"]["of"]) == (0, 1)


def test_a_folder_is_read_once_for_all_sessions_of_a_host(base: Path):
    """Thousands of services share folders: the second service does not touch the disk for them."""
    shared = Shared()
    call(map_alerts, context(base, shared=shared))
    for file in (base / "runbooks/shared").rglob("*.*"):
        file.unlink()
    write(base / "runbooks/other/a.md", PAGE)

    found = call(check_pages, context(base, "runbooks/other", "runbooks/shared", shared=shared))

    assert found["shared_pages"] == 1


def test_a_listed_folder_below_the_first_is_not_the_services_own(base: Path):
    """`runbooks,runbooks/shared` has one own folder, without the shared one in it."""
    found = call(check_pages, context(base, "runbooks", "runbooks/shared"))

    assert (found["pages"], found["shared_pages"]) == (1, 1)


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (("runbooks/gone",), "'runbooks/gone' does not exist"),
        (("runbooks/cart", "runbooks/gone"), "'runbooks/gone' does not exist"),
        (("../elsewhere",), "leaves the manifest's folder"),
        (("/etc",), "leaves the manifest's folder"),
        (("runbooks/cart/errors.md",), "is a file"),
    ],
)
def test_a_folder_that_cannot_be_read_fails_the_source(base: Path, folders: tuple[str, ...], message: str):
    """The reason names the folder; nothing outside of the manifest's folder is looked at."""
    with pytest.raises(SourceError, match=message):
        call(map_alerts, context(base, *folders))


@pytest.mark.parametrize(
    "text",
    ["# Fehler: Gerät läuft\n".encode("latin-1"), "# Errors\n".encode("utf-16"), "# Errors\n".encode("utf-16-le")],
)
@pytest.mark.parametrize("name", ["page.md", "rules.yml"])
def test_a_page_in_another_encoding_fails_the_source_and_is_named(base: Path, text: bytes, name: str):
    """Half of a folder's pages would be a wrong answer."""
    write(base / "runbooks/cart" / name, text)

    with pytest.raises(SourceError, match=rf"runbooks/cart/{name}.*UTF-8"):
        call(map_alerts, context(base))


@pytest.mark.parametrize("target", ["/etc/hostname", "../../../outside.md"])
def test_a_link_out_of_the_manifests_folder_fails_the_source(base: Path, target: str):
    """A page may be a symbolic link, but not to what the manifest does not cover."""
    write(base.parent / "outside.md", "# Secret\n")
    (base / "runbooks/cart/link.md").symlink_to(target)

    with pytest.raises(SourceError, match="leaves the manifest's folder"):
        call(map_alerts, context(base))


def test_odd_files_are_not_read(base: Path):
    """A link to nothing or to itself is a gap; a pipe, which would be waited for, and a folder are no pages."""
    (base / "runbooks/cart/lost.md").symlink_to("gone.md")
    (base / "runbooks/cart/ring.md").symlink_to("ring.md")
    os.mkfifo(base / "runbooks/cart/pipe.md")
    (base / "runbooks/cart/folder.md").mkdir()

    found = call(check_pages, context(base))

    assert found["pages"] == 1
    assert found["gaps"] == [
        "runbooks/cart/lost.md is a link to a file that is not there",
        "runbooks/cart/ring.md is a link to a file that is not there",
    ]


def test_a_name_that_cannot_be_cited_fails_the_source(base: Path):
    """A citation is a line of text, and so is a path in it."""
    write(base / "runbooks/cart/two\nlines.md", PAGE)

    with pytest.raises(SourceError, match="rename it"):
        call(check_pages, context(base))


def test_a_rule_file_that_does_not_parse_is_a_gap(base: Path):
    """Its alerts are read line by line, and the report says so."""
    write(
        base / "runbooks/cart/chart.yaml", "{{ if x }}\n- alert: CartQueue\n  labels:\n    severity: page\n{{ end }}\n"
    )

    found = call(map_alerts, context(base))

    assert "CartQueue" in [row["alert"] for row in found["rows"]]
    assert any("runbooks/cart/chart.yaml does not parse" in gap for gap in found["gaps"])


def test_a_file_that_is_too_large_is_left_out_with_a_gap(base: Path):
    """The others are read."""
    write(base / "runbooks/cart/dump.md", "x\n" * 600_000)

    found = call(check_pages, context(base))

    assert found["pages"] == 1
    assert any("dump.md has 1200000 bytes" in gap for gap in found["gaps"])


def test_incidents_are_held_against_the_pages(base: Path):
    """Those of the window, with their ids; a tracker that cannot be read is a gap, for it is another's source."""
    rows = [
        '{"id": "I-1", "title": "cart: requests fail with errors", "service": "cart", "started_at": "2024-05-20"}',
        '{"id": "I-2", "title": "cart: certificate expired", "service": "cart", "started_at": "2024-05-21T10:00:00Z"}',
        '{"id": "I-3", "title": "cart: certificate expired", "service": "cart", "started_at": "2021-05-21T10:00:00Z"}',
    ]
    write(base / "incidents.jsonl", "\n".join(rows))
    source = Incidents(str(base), "incidents.jsonl", "jsonl", ("cart",))
    lost = Incidents(str(base), "gone.jsonl", "jsonl", ("cart",))

    found = call(cover_incidents, context(base, incidents=source))
    gap = call(cover_incidents, context(base, incidents=lost))

    assert (found["incidents"], found["without"]) == (2, 1)
    assert found["rows"][0]["cite"] == ["incident:I-2"]
    assert gap["incidents"] is None
    assert "gone.jsonl" in gap["gaps"][0]


def test_an_excerpt_is_bounded_and_only_of_the_services_files(base: Path):
    """A model names a page as it was cited, and nothing else can be read."""
    write(base / "runbooks/cart/long.md", ("x" * 1_000 + "\n") * 200)

    found = call(read_page, context(base), page="runbook:runbooks/cart/long.md", from_line=5, lines_max=120)

    assert found["lines"][0] == [5, "x" * 400]
    assert len(str(found)) < 8_000
    with pytest.raises(ToolError, match="is no page"):
        call(read_page, context(base), page="../../etc/passwd")
    with pytest.raises(ToolError, match="is no page"):
        call(read_page, context(base, "runbooks/shared"), page="runbooks/cart/errors.md")


def test_citations_that_do_not_resolve_are_told(base: Path):
    """No such file, line, incident or commit; a file outside of the service's folders is none of its."""
    write(base / "incidents.jsonl", '{"id": "I-1", "title": "x", "service": "cart", "started_at": "2024-05-20"}')
    good = ["runbook:runbooks/cart/errors.md:11", "runbook:runbooks/cart/alerts.yml:6", "incident:I-1"]
    bad = [
        "runbook:runbooks/cart/errors.md:12",
        "runbook:runbooks/cart/errors.md:0",
        "runbook:runbooks/cart/gone.md:1",
        "runbook:../runbooks/cart/errors.md:1",
        "runbook:runbooks/other/errors.md:1",
        "incident:I-2",
        "commit:abc1234",
        "commit:--all\n",
        "metric:up@1",
        "",
    ]
    write(base / "runbooks/cart/errors.md", PAGE + "end\n")
    given = context(base, incidents=Incidents(str(base), "incidents.jsonl", "jsonl", ("cart",)))

    assert list(check_citations(given, [*good, *bad])) == bad


def test_citations_of_a_source_that_failed_do_not_resolve(base: Path):
    """They are struck out; nothing is raised."""
    assert list(check_citations(context(base, "runbooks/gone"), ["runbook:a.md:1"])) == ["runbook:a.md:1"]


def audit(given: ToolContext) -> Findings:
    """The offline analyst with its tools, as a session runs them."""
    tools = {tool.name: tool for tool in (map_alerts, check_pages, cover_incidents)}
    wanted = analyst(given.inputs, ())
    assert not isinstance(wanted, Findings)
    calls: list[Call] = list(wanted)  # type: ignore[arg-type]
    found = analyst(given.inputs, [Answered(c, call(tools[c.tool], given, **c.arguments)) for c in calls])
    assert isinstance(found, Findings)
    return found


def test_old_pages_count_where_the_service_changes(tmp_path: Path):
    """The same folder, beside a repository that changes weekly and one that does not."""
    for name in ("errors", "latency", "capacity"):
        write(
            tmp_path / f"runbooks/cart/{name}.md",
            PAGE.replace("2024-05-01", "2022-01-01").replace("more.md", "errors.md"),
        )
    write(tmp_path / "runbooks/shared/oncall.md", "# On call\n")
    repository(tmp_path / "busy", commits=50)
    repository(tmp_path / "quiet", commits=1)

    busy = context(tmp_path, "runbooks/cart", git=Git(str(tmp_path), "busy"))
    quiet = context(tmp_path, "runbooks/cart", git=Git(str(tmp_path), "quiet"))
    whole = context(tmp_path, "runbooks/cart", git=Git(str(tmp_path), "busy", ("./",)))
    other = context(tmp_path, "runbooks/cart", git=Git(str(tmp_path), "busy", ("deploy/",)))

    assert [(f.kind, f.severity) for f in audit(busy).findings] == [("stale_runbooks", "high")]
    assert audit(whole) == audit(busy)
    assert [(f.kind, f.severity) for f in audit(other).findings] == [("stale_runbooks", "low")]
    assert [(f.kind, f.severity) for f in audit(quiet).findings] == [("stale_runbooks", "low")]
    assert [c for f in audit(busy).findings for c in check_citations(busy, f.citations)] == []


def repository(folder: Path, *, commits: int) -> None:
    """A repository with one change of code a week, up to the audit's now."""
    stream = []
    for number in range(commits):
        at_s = int(AS_OF_S) - (commits - number) * 7 * DAY_S
        stream.append(
            f"commit refs/heads/main\ncommitter A <a@example.org> {at_s} +0000\ndata 6\nChange\n"
            f"M 100644 inline main.py\ndata {len(str(number))}\n{number}\n"
        )
    subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True)
    subprocess.run(["git", "-C", str(folder), "fast-import", "--quiet"], input="".join(stream).encode(), check=True)


def test_every_citation_of_an_answer_resolves(base: Path):
    """What the analyst says can be looked up."""
    given = context(base)
    found = audit(given)

    assert {finding.kind for finding in found.findings} == {"alerts_without_runbook", "dead_links"}
    assert [c for finding in found.findings for c in check_citations(given, finding.citations)] == []
    assert found.facts == {"alerts": 4.0, "alerts_without_runbook": 3.0, "runbooks": 1.0}


def test_an_empty_folder_is_a_gap(tmp_path: Path):
    """Neither healthy nor ill: nothing is known."""
    (tmp_path / "runbooks/cart").mkdir(parents=True)

    found = audit(context(tmp_path, "runbooks/cart"))

    assert found.findings == []
    assert "'runbooks/cart' holds no page" in found.gaps
