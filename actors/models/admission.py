"""What all calls of one model in one process have to pass, and share: the gate of its brake, and its breaker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from actors.models.breaker import Breaker
from actors.models.gate import Gate


@dataclass(slots=True)
class Admission:
    """One model's gate and breaker."""

    gate: Gate
    breaker: Breaker


Known: TypeAlias = dict[tuple[object, ...], Admission]

# Hosts of one process draw on one limit of the provider's: the clients of one event loop share brake and breaker for
# each server, key file and model.
_SHARED: dict[asyncio.AbstractEventLoop, Known] = {}


class Admissions:
    """Admission to the models of one client, each made by `new` when its model is first asked.

    `limited` is what a provider's limits hang on beside the model: clients of one event loop that have the same share
    theirs. None: this client keeps its own.
    """

    def __init__(self, new: Callable[[], Admission], *, limited: tuple[object, ...] | None) -> None:
        self._new = new
        self._limited = limited or ()
        self._own: Known | None = {} if limited is None else None

    def of(self, model: str) -> Admission:
        """Called within the event loop that the client belongs to."""
        admissions = _of_this_loop() if self._own is None else self._own
        limited = (*self._limited, model)
        known = admissions.get(limited)
        if known is None:
            known = admissions[limited] = self._new()
        return known


def _of_this_loop() -> Known:
    known = _SHARED.get(asyncio.get_running_loop())
    if known is None:
        for loop in [loop for loop in _SHARED if loop.is_closed()]:
            del _SHARED[loop]
        known = _SHARED[asyncio.get_running_loop()] = {}
    return known
