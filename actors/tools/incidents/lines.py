"""A tracker's export with one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator

from actors.tools.base import SourceError
from actors.tools.incidents.fields import incident_of
from actors.tools.incidents.types import Incident


def incidents_in_lines(text: str, where: str, _id: str = "") -> Iterator[Incident]:
    """One record a line; blank lines are left out. Raises SourceError naming file and line for any other."""
    for number, line in enumerate(text.split("\n"), start=1):  # not splitlines: U+2028 may stand inside of a string
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            what = error.msg if isinstance(error, json.JSONDecodeError) else "too deep, or a number too long"
            raise SourceError(f"{where}:{number} is not JSON ({what}): mend or drop the line") from None
        if not isinstance(record, dict):
            raise SourceError(f"{where}:{number} is no JSON object: every line is one record")
        incident = incident_of(record, where=f"{where}:{number}")
        if incident is None:
            raise SourceError(f"{where}:{number} has no id: a record needs one of id, key or number")
        yield incident
