"""A catalog as it was read: it comes back whole, for the manifest that it was made of, or not at all."""

from __future__ import annotations

import gzip

from jobs.kept_catalog import catalog_of, kept
from support.manifests import ALL, component
from support.manifests import catalog_of as read

CATALOG = read(
    component(depends_on=["db"], **ALL),
    component(name="db", metrics_file="db.om", as_of="'2026-01-01'"),
    component(name="bare"),
)
PLACE = {"fingerprint": CATALOG.fingerprint, "base": "/estate", "now_s": 1.5}


def test_a_kept_catalog_is_the_one_that_was_read() -> None:
    """Value for value, so that a resumed run plans the same tasks."""
    assert catalog_of(kept(CATALOG, base="/estate", now_s=1.5), **PLACE) == CATALOG


def test_what_was_kept_of_another_manifest_folder_or_time_is_not_believed() -> None:
    """Paths are relative to the folder, and a service that states no time is audited as of now."""
    data = kept(CATALOG, base="/estate", now_s=1.5)

    for other in ({"fingerprint": "0"}, {"base": "/elsewhere"}, {"now_s": 2.5}):
        assert catalog_of(data, **{**PLACE, **other}) is None


def test_a_damaged_catalog_is_none_wherever_it_is_cut_or_changed() -> None:
    """Then the manifest is read; nothing is audited by a guess."""
    data = kept(CATALOG, base="/estate", now_s=1.5)

    cuts = [catalog_of(data[:at], **PLACE) for at in range(len(data))]
    turned = [catalog_of(data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :], **PLACE) for at in range(len(data))]

    assert not any(cuts)
    assert all(found in (None, CATALOG) for found in turned)


def test_what_nests_without_end_is_none() -> None:
    """As any other that was not written here."""
    assert catalog_of(gzip.compress(b"[" * 200_000), **PLACE) is None
