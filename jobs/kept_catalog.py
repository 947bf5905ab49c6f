"""A catalog as its manifest was read, for whoever reads the same manifest again: a tenth of the time that YAML takes.

Gzip around JSON: {"schema", "muster", "fingerprint", "base", "now_s", "file", "skipped", "services": [[..], ..]}.
It stands for one text of a manifest in one folder, and for what this version makes of it. For anything else, or when
it is damaged, the manifest is read.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping
from dataclasses import fields
from importlib.metadata import version
from typing import Any

from actors.sources import Git, Incidents, Metrics, Runbooks, Source, Window, names_of
from jobs.catalog import Catalog, Service

SCHEMA = "muster.catalog/1"
LEVEL = 1  # of gzip: higher ones take longer and save little
_KINDS: Mapping[str, type[Source]] = {
    "window": Window, "incidents": Incidents, "git": Git, "metrics": Metrics, "runbooks": Runbooks
}  # fmt: skip
_SERVICE = tuple(one.name for one in fields(Service))


def kept(catalog: Catalog, *, base: str, now_s: float) -> bytes:
    """What `catalog_of` makes the catalog of again. `base` is the manifest's folder, `now_s` what it was read with."""
    services = [[_told(getattr(service, name)) for name in _SERVICE] for service in catalog.services]
    whole = {**_head(catalog.fingerprint, base, now_s), "file": catalog.file, "skipped": dict(catalog.skipped)}
    return gzip.compress(json.dumps(whole | {"services": services}, separators=(",", ":")).encode(), LEVEL, mtime=0)


def catalog_of(data: bytes, *, fingerprint: str, base: str, now_s: float) -> Catalog | None:
    """The catalog of the manifest with this fingerprint; None where `data` is of another, or damaged."""
    try:
        found = json.loads(gzip.decompress(data))
        if any(found.get(name) != value for name, value in _head(fingerprint, base, now_s).items()):
            return None
        services = tuple(_service(row) for row in found["services"])
        return Catalog(file=found["file"], services=services, skipped=found["skipped"], fingerprint=fingerprint)
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, RecursionError, zlib.error):
        return None


def _head(fingerprint: str, base: str, now_s: float) -> dict[str, Any]:
    return {"schema": SCHEMA, "muster": version("muster"), "fingerprint": fingerprint, "base": base, "now_s": now_s}


def _told(value: Any) -> Any:
    return [getattr(value, name) for name in names_of(value)] if isinstance(value, Source) else value


def _service(row: list[Any]) -> Service:
    told = dict(zip(_SERVICE, row, strict=True))
    for name, kind in _KINDS.items():
        if told[name] is not None:
            told[name] = kind(*map(_frozen, told[name]))
    return Service(**told | {"depends_on": tuple(told["depends_on"])})


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
