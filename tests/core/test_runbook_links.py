"""Links between pages: which are dead, and which the audit cannot know."""

from __future__ import annotations

import pytest

from actors.tools.runbooks.links import Link, Standing, standing
from actors.tools.runbooks.pages import parse_page

FILES = frozenset(
    {
        "runbooks",
        "runbooks/cart",
        "runbooks/cart/errors.md",
        "runbooks/cart/README.md",
        "runbooks/cart/more",
        "runbooks/cart/more/_index.md",
        "runbooks/shared",
        "runbooks/shared/KubePodDown.md",
        "LICENSE",
    }
)


def link_standing(target: str, page: str = "runbooks/cart/errors.md") -> str:
    return standing(page, Link(1, target), "runbooks/cart", FILES.__contains__)[0].value


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("README.md", "found"),
        ("./README.md#top", "found"),
        ("../shared/KubePodDown.md", "found"),
        ("errors.html", "found"),  # a site generator makes it of errors.md
        ("/cart/errors.html", "found"),
        ("/errors", "found"),
        ("more/", "found"),
        ("../../shared/KubePodDown/", "found"),  # pretty URLs: the page is a folder
        ("../../LICENSE", "found"),
        ("#anchor", "found"),
        ("READ%4DE.md", "found"),
        ("gone.md", "dead"),
        ("hosts/gone.md", "dead"),  # inside of the folder that was given
        ("../shared/gone.md", "dead"),
        ("gone.html", "dead"),
        ("../tutorials/gone.md", "unchecked"),  # that folder was not given
        ("../../../outside.md", "unchecked"),
        ("/gone.md", "unchecked"),  # where the site's root is, nobody says
        ("images/graph.png", "unchecked"),
        ("route", "unchecked"),
        ("https://example.org/gone.md", "unchecked"),
        ("mailto:team@example.org", "unchecked"),
        ("<%= link %>.md", "unchecked"),
        ("{{ site.url }}/gone.md", "unchecked"),
    ],
)
def test_only_a_link_to_a_page_that_should_be_here_is_dead(target: str, expected: str):
    """What lies outside of what the audit was given is unknown, not dead."""
    assert link_standing(target) == expected


def test_links_are_found_in_every_notation_and_not_in_code():
    """Inline, reference, HTML; not images, code, or brackets in prose."""
    page = parse_page(
        "runbooks/cart/errors.md",
        "[a](a.md) and [b](<b.md> 'title') and [![i](i.png)](c.md)\n"
        "`[no](no.md)` ![no](no.md)\n"
        "```\n[no](no.md)\n```\n"
        "[ref]: d.md\n"
        '<a class="x" href="e.md">e</a> [f](f_(1).md)\n'
        "[^1]: no.md\n",
    )

    assert [(link.line, link.target) for link in page.links] == [
        (1, "a.md"),
        (1, "b.md"),
        (1, "c.md"),
        (6, "d.md"),
        (7, "f_(1).md"),
        (7, "e.md"),
    ]


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("## Restart the pod", "restart-the-pod"),
        ("## Q&A: what now?", "qa-what-now"),
        ("##Sorting", "sorting"),
        ('<a name="old-name"></a>', "old-name"),
        ("## Title {#custom}", "custom"),
        ("## `code_name` here", "code_name-here"),
        ("## Über uns", "%C3%BCber-uns"),
    ],
)
def test_anchors_are_compared_without_the_makers_punctuation(heading: str, anchor: str):
    """GitHub, GitLab, kramdown and Hugo slug differently; a heading that is there is never called missing."""
    page = parse_page("runbooks/cart/errors.md", f"# T\n\n{heading}\n\n[x](#{anchor})\n")

    assert page.anchors is not None
    assert page.links[-1].anchor in page.anchors


def test_a_page_with_generated_parts_has_no_known_anchors():
    """A heading may come out of a template that the source does not show."""
    assert parse_page("a.md", "# T\n\n<%= partial 'x' %>\n").anchors is None


def test_the_standing_of_a_link_names_the_file_it_leads_to():
    """So its anchor can be looked up there."""
    found = standing("runbooks/cart/errors.md", Link(1, "more#x"), "runbooks/cart", FILES.__contains__)

    assert found == (Standing.FOUND, "runbooks/cart/more")
