"""Reading runbook pages: what they are called, what they say when, and whether somebody could act on them."""

from __future__ import annotations

import pytest

from actors.tools.runbooks.dates import day_of, days_of
from actors.tools.runbooks.pages import Page, page_stem, parse_page

DAY_S = 86_400
STEPS = "1. Run `kubectl get pods -n cart`.\n2. Restart the one that crashes.\n"
WORDS = "The service answers its callers slowly or not at all while this alert fires, so hurry. " * 2


def page(text: str, path: str = "runbooks/cart/errors.md") -> Page:
    return parse_page(path, text)


@pytest.mark.parametrize(
    ("text", "lack"),
    [
        (f"# Errors\n\n{WORDS}\n\n## Mitigation\n\n{STEPS}", ""),
        (f"# Errors\n\n{WORDS}\n\n```promql\nrate(errors_total[5m])\n```\n", ""),
        ("# Errors\n\nTODO: write this down.\n", "placeholder text and 4 words"),
        ("# Errors\n\n<!-- TODO -->\n", "placeholder text and 0 words"),
        ("# Errors\n\nSomething is wrong.\n", "only 3 words"),
        ("", "only 0 words"),
        (f"# Errors\n\n{WORDS}\n", "no steps, commands or queries"),
        (f"# Errors\n\n{STEPS}\n{WORDS}\n\nTODO: add a graph.\n\n```\nkubectl logs\n```\n", ""),
    ],
)
def test_a_page_is_usable_when_it_says_what_to_do(text: str, lack: str):
    """Steps, commands or queries make a page usable; stubs and placeholders say why they are not."""
    assert page(text).substance.lack == lack


def test_a_build_manual_is_usable_but_no_runbook():
    """Commands alone do not make a runbook: it speaks of symptoms, restarts, outages."""
    manual = page(f"# Building\n\n{WORDS.replace('alert', 'text')}\n\n```\nmake build\nmake push\n```\n")
    runbook = page(
        f"# Cart is down\n\nSymptom: timeouts and restarts after an outage.\n\n## Diagnosis\n\n{WORDS}{STEPS}"
    )

    assert (manual.usable, manual.operational) == (True, False)
    assert (runbook.usable, runbook.operational) == (True, True)


@pytest.mark.parametrize(
    ("text", "title", "line"),
    [
        ("# Errors\n", "Errors", 1),
        ("---\ntitle: Errors\n---\n\ntext\n", "Errors", 2),
        ("---\ntitle: Errors\n---\n\n# <%= current_page.data.title %>\n", "Errors", 2),
        ("Errors\n======\n", "Errors", 1),
        ("**Table of Contents**\n\n# Table of Contents\n\n# Errors\n", "Errors", 5),
        ("no heading\n", "errors", 1),
        ("```\n# no heading\n```\n", "errors", 1),
        ("# [Errors](errors.md) {#errors}\r\n", "Errors", 1),
    ],
)
def test_a_title_is_found_with_its_line(text: str, title: str, line: int):
    """Headings of all sorts, front matter, or the file's name; code and templates are no titles."""
    found = page(text)

    assert (found.title, found.title_line) == (title, line)


def test_a_section_reaches_to_the_next_heading_of_its_level():
    """What stands under a sub-heading belongs to the heading above it too."""
    found = page(f"# All\n\n## HighLatency\n\n### Steps\n\n{STEPS}\n## Absent\n\nTBD\n")
    by_name = {section.title: section for section in found.sections}

    assert by_name["HighLatency"].substance.commands == by_name["Steps"].substance.commands == 1
    assert by_name["HighLatency"].substance.placeholder_line == 0
    assert by_name["Absent"].substance.placeholder_line == 12


def test_lines_are_counted_as_an_editor_does():
    """A form feed or a Unicode line separator ends no line, a missing last line feed loses none."""
    assert page("a\x0cb\u2028c\r\nd").line_count == 2
    assert page("a\n").line_count == 1
    assert page("").line_count == 0


@pytest.mark.parametrize("name", ["x.md", "x.markdown", "x.md.erb", "x.html.md.erb", "x.MD", "x.adoc"])
def test_a_stem_is_a_name_without_any_of_its_endings(name: str):
    """Templates have two or three endings."""
    assert page_stem(f"a/{name}") == "x"


def test_asciidoc_is_read_lightly():
    """Its headings, lists, listings and header are understood."""
    found = page(
        f"= Errors\n:revdate: 2024-03-01\n\n== Mitigation\n\n. Restart it.\n----\nkubectl get pods\n----\n{WORDS}",
        "runbooks/cart/errors.adoc",
    )

    assert (found.title, found.usable) == ("Errors", True)
    assert found.review is not None
    assert found.review.reviewed_s == day_of("2024-03-01")


@pytest.mark.parametrize(
    ("text", "line", "day"),
    [
        ("---\nlast_reviewed_on: 2024-03-01\nreview_in: 6 months\n---\n", 2, "2024-03-01"),
        ("---\nlast-reviewed: '2024-03-01T10:00:00Z'\n---\n", 2, "2024-03-01"),
        ("+++\nlastmod = 2024-03-01\n+++\n", 2, "2024-03-01"),
        ("# A\n\n> Last reviewed on 2024-03-01\n", 3, "2024-03-01"),
        ("# A\n\n*Last Reviewed for accuracy:*  2024-03-01\n", 3, "2024-03-01"),
        ("# A\n\n| Last updated | 1 March 2024 |\n", 3, "2024-03-01"),
        ("# A\n\n_Last updated: March 1st, 2024_\n", 3, "2024-03-01"),
        ("# A\n\n<!-- last-reviewed: 2024/03/01 -->\n", 3, "2024-03-01"),
        ("# A\n\nReviewed: 2023-01-01\nUpdated: 2024-03-01\n", 4, "2024-03-01"),
    ],
)
def test_a_review_is_found_where_people_write_it(text: str, line: int, day: str):
    """Front matter, prose, tables, comments; of several dates the latest counts."""
    review = page(text).review

    assert review is not None
    assert (review.line, review.reviewed_s) == (line, day_of(day))


@pytest.mark.parametrize(
    "text",
    [
        "# A\n\nThe list was last updated by the job; see 2024-03-01.\n",
        "# A\n\n```\nlast updated: 2024-03-01\n```\n",
        "# A\n\nAn outage on 2024-03-01 was reviewed.\n",
        "---\ndate: 2024-03-01\n---\n",
        "# A\n\nLast reviewed: 2024-13-45\n",
        "# A\n\nLast reviewed: never\n",
    ],
)
def test_a_page_that_states_no_review_is_unknown_and_not_stale(text: str):
    """Dates of something else are no reviews."""
    assert page(text).review is None


def test_a_pages_own_limit_goes_before_the_default():
    """Six months when it says so, one year when it does not, and a due date as it stands."""
    reviewed_s = day_of("2024-03-01") or 0.0
    half = page("---\nlast_reviewed_on: 2024-03-01\nreview_in: 6 months\n---\n").review
    year = page("---\nlast_reviewed_on: 2024-03-01\n---\n").review
    due = page("---\nlast_reviewed_on: 2024-03-01\nnext-review: 2024-04-01\n---\n").review

    assert half is not None
    assert year is not None
    assert due is not None
    assert (half.stated, round(half.overdue_days(reviewed_s + 200 * DAY_S))) == (True, 17)
    assert (year.stated, round(year.overdue_days(reviewed_s + 200 * DAY_S))) == (False, -165)
    assert round(due.overdue_days(reviewed_s + 200 * DAY_S)) == 169


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("6 months", 183),
        ("P90D", 90),
        ("1y", 365),
        ("quarterly", 91),
        ("180", 180),
        ("every week", 7),
        ("soon", None),
        ("0", None),
    ],
)
def test_lengths_are_read_as_people_write_them(text: str, days: int | None):
    """What is no length is no limit."""
    found = days_of(text)

    assert (None if found is None else round(found)) == days


def test_an_ambiguous_date_is_read_to_the_pages_favour():
    """03/04/2024 may be in March or in April: nobody is called stale by a convention."""
    assert day_of("03/04/2024") == day_of("2024-04-03")
    assert day_of("04/03/2024") == day_of("2024-04-03")
