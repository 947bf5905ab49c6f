"""Fewer walks of the garbage collector, for processes in which thousands of objects live."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# Collect cycles after so many new objects, not after 700: thousands of live conversations and holds would be walked
# through over and over. Measured by benchmarks/fanout.py: a quarter of a sub-agent's time, a tenth of the ledger's.
THRESHOLDS = (50_000, 20, 100)


def be_patient() -> None:
    """For a process that does nothing else, until it ends."""
    gc.set_threshold(*THRESHOLDS)


@contextmanager
def patient_gc() -> Iterator[None]:
    """For as long as sessions run in this process."""
    before = gc.get_threshold()
    be_patient()
    try:
        yield
    finally:
        gc.set_threshold(*before)
