"""Incidents as status pages keep them (cState): one Markdown page each, with front matter that states the facts."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from actors.tools.base import SourceError
from actors.tools.incidents.fields import incident_of
from actors.tools.incidents.text import labelled
from actors.tools.incidents.types import Incident
from budget.safe_yaml import LOADER

NO_INCIDENTS = ("readme", "index", "_index", "template")  # pages of these names describe the folder
TOLD_BELOW = ("resolved_at", "root_cause", "caused_by", "kind")  # facts for which cState has no place in front matter
_FENCES = {"---": yaml, "+++": tomllib}


@dataclass(frozen=True, slots=True)
class Page:
    """A page's front matter, if it has one, and the text below it."""

    front: Mapping[str, Any]
    text: str
    broken: str = ""  # why the front matter does not parse, with its line


def page_of(text: str) -> Page:
    lines = text.lstrip("\n").split("\n")
    fence = lines[0].strip()
    end = next((n for n, line in enumerate(lines[1:], start=1) if line.strip() == fence), 0)
    if fence not in _FENCES or not end:
        return Page(
            {}, text, "it has none" if fence not in _FENCES else f"the opening {fence} of line 1 is never closed"
        )
    head, body = "\n".join(lines[1:end]), "\n".join(lines[end + 1 :])
    try:
        front = tomllib.loads(head) if fence == "+++" else yaml.load(head, Loader=LOADER)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 2 if error.problem_mark else 1
        return Page(_plain_pairs(head), body, f"line {line}: {error.problem}")
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as error:
        return Page(_plain_pairs(head), body, " ".join(str(error).split())[:120])
    if not isinstance(front, dict):
        return Page({}, body, "it is no mapping of names to values")
    return Page(front, body)


def incident_on_status_page(text: str, where: str, id: str) -> Iterator[Incident]:
    """The incident of a cState page, or none for a page of another section.

    Raises SourceError naming the file, and the line if known, when the page has no readable front matter.
    """
    if id.rsplit("/", 1)[-1].lower() in NO_INCIDENTS:
        return
    page = page_of(text)
    if page.broken:
        raise SourceError(f"{where} has no readable front matter ({page.broken}): a cState page states its facts there")
    section = page.front.get("section")
    if isinstance(section, str) and section.lower() not in ("issue", "issues", "incident", "incidents"):
        return
    told = {name: value for name, value in labelled(page.text).items() if name in TOLD_BELOW}
    if page.front.get("resolved") is False:
        told.pop("resolved_at", None)
    incident = incident_of({**told, **page.front, "body": page.text}, id=id, where=where)
    if incident is not None:
        yield incident


def _plain_pairs(head: str) -> dict[str, str]:
    """`name: value` lines, for front matter that a strict reader refuses (a colon in a title, say)."""
    pairs = (re.match(r"^([A-Za-z][\w-]*)\s*[:=]\s*(.+?)\s*$", line) for line in head.split("\n"))
    return {pair[1]: pair[2].strip("\"'") for pair in pairs if pair}
