"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# How long an example takes says how loaded the machine is, not whether a promise is kept.
settings.register_profile("muster", deadline=None)
settings.load_profile("muster")
