"""Models that stand in for one another: who is asked next, and what part of a call each of them has. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from actors.models.retry import Fault, FaultKind

OVERLOADED_MAX = 2  # refusals of one call as overloaded, before its fallback is asked: one alone may pass
# Faults of the provider. A request that it refuses as wrong, and a limit that it states, are the caller's own.
DOWN = frozenset(FaultKind) - {FaultKind.REJECTED, FaultKind.RATE_LIMITED}


@dataclass(frozen=True, slots=True)
class Chain:
    """`fallbacks` maps a model to the one that stands in for it, `rules_follow` says that rules stand in for the last.

    `patience_s`: how long a call may be with a model that is stood in for, in its queue or on the wire; None: as long
    as its attempts take.
    """

    fallbacks: Mapping[str, str] = field(default_factory=dict)
    patience_s: float | None = None
    rules_follow: bool = False

    def of(self, model: str) -> list[str]:
        """`model` and all that stand in for it, in their order; each once, also where they name each other."""
        chain = [model]
        while (following := self.fallbacks.get(chain[-1])) is not None and following not in chain:
            chain.append(following)
        return chain

    def after(self, model: str, *, first: str) -> str | None:
        """Who is asked after `model`, for a call that asked `first` first."""
        chain = self.of(first)
        place = chain.index(model) + 1
        return chain[place] if place < len(chain) else None

    def attempts(self, model: str, *, first: str, left: int) -> int:
        """How many of the `left` attempts of a call are for `model`: an even part, and one at least."""
        chain = self.of(first)
        waiting = len(chain) - chain.index(model)
        return max(1, -(-left // waiting))

    def patience_of(self, model: str, *, first: str) -> float | None:
        """How long a call may be with `model`. None: nobody stands in for it, and an earlier end would gain nothing."""
        return self.patience_s if self.rules_follow or self.after(model, first=first) else None


def had_its_part(fault: Fault, *, attempts: int, attempts_max: int, overloads: int, spent: bool) -> bool:
    """Whether a model that is down has had its part of a call: attempts, refusals, or its time and tokens (`spent`).

    A fault that is the caller's own, or that lasts, is never handed on to the next model.
    """
    if fault.kind not in DOWN or not fault.transient:
        return False
    return spent or attempts >= attempts_max or overloads >= OVERLOADED_MAX
