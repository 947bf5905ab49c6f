"""What one service has: its own pages and alerts, and those of the folders that it shares."""

from __future__ import annotations

import os
from collections.abc import Iterable
from posixpath import normpath

from actors.sources import Incidents, Runbooks
from actors.tools.base import SourceError, ToolContext
from actors.tools.files import inside, read_text
from actors.tools.runbooks.folders import Folder, folder_of
from actors.tools.runbooks.match import Shelf
from actors.tools.runbooks.rules import Alert
from actors.tools.runbooks.words import squeezed, tokens


def folders_of(context: ToolContext) -> tuple[Folder, ...]:
    """The service's folders in their order, own first.

    Raises SourceError naming the folder or file that is missing, leaves the manifest's folder or is not UTF-8.
    """
    source = Runbooks.of(context.inputs)
    if source is None or not source.folders:
        raise SourceError("the service names no runbook folder")
    listed = dict.fromkeys(normpath(folder) for folder in source.folders)
    return tuple(folder_of(context.shared, source.base, folder) for folder in listed)


def text_of(context: ToolContext, path: str) -> str:
    """A page or rule file as it lies on the disk now. Raises SourceError as `folders_of`."""
    source = Runbooks.of(context.inputs)
    assert source is not None, "folders_of refuses before"
    return read_text(inside(source.base, path))


def shelf_of(context: ToolContext, folders: tuple[Folder, ...]) -> Shelf:
    """What the service has. Its own are the pages and alerts of the first folder (without a listed folder below it),
    and the alerts of any folder that name the service in their labels or expression."""
    others = [f"{folder.path}/" for folder in folders[1:]]
    first = f"{folders[0].path}/" if folders[0].path != "." else ""
    names = _names(context)
    squeezed_names = frozenset(squeezed(name) for name in names)

    def is_own(path: str) -> bool:
        return path.startswith(first) and not any(o.startswith(first) and path.startswith(o) for o in others)

    pages = {page.path: page for folder in folders for page in folder.pages}.values()
    alerts = {(alert.path, alert.line): alert for folder in folders for alert in folder.alerts}.values()
    belongs = [(alert, is_own(alert.path) or bool(alert.about & squeezed_names)) for alert in alerts]
    return Shelf(
        own=tuple(page for page in pages if is_own(page.path)),
        shared=tuple(page for page in pages if not is_own(page.path)),
        own_alerts=_once(alert for alert, own in belongs if own),
        shared_alerts=_once(alert for alert, own in belongs if not own),
        ignored=tokens(" ".join([*names, os.path.basename(folders[0].path)])),
    )


def _names(context: ToolContext) -> list[str]:
    service = context.inputs.get("service")
    incidents = Incidents.of(context.inputs)
    return [name for name in (service, *(incidents.names if incidents else ())) if isinstance(name, str) and name]


def _once(alerts: Iterable[Alert]) -> tuple[Alert, ...]:
    """One alert per name: of several rules with one name, the one that wakes somebody up."""
    best: dict[str, Alert] = {}
    for alert in alerts:
        known = best.get(alert.name)
        if known is None or (alert.pages and not known.pages):
            best[alert.name] = alert
    return tuple(best.values())
