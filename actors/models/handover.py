"""Which model a call asks, and what follows on an attempt that brought no reply. Pure."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from actors.models.base import ModelRequest
from actors.models.call import Call
from actors.models.chain import Chain, had_its_part
from actors.models.retry import CallState, Fault, GiveUp, Retry, RetryBudget, RetryPolicy

SESSIONS_KNOWN_MAX = 10_000  # that were handed to a fallback; the first one is forgotten first


@dataclass(frozen=True, slots=True)
class AskNext:
    """The model has had its part of the call: go on with `model` at once."""

    model: str


class Handover:
    """One for all calls of a client: models hand calls over along the chain, and sessions stay with whom they came to.

    Times are those of the clock that `Call.since_s` is of.
    """

    def __init__(self, chain: Chain, policy: RetryPolicy) -> None:
        self._chain = chain
        self._attempts_max = policy.attempts_max
        self._retries = RetryBudget(policy)
        self._handed: OrderedDict[tuple[str, str, str], str] = OrderedDict()  # sessions, and whom they were handed to

    def first(self, request: ModelRequest) -> str:
        """Who is asked first: a session goes on with whom it was handed to, and a new one begins with its own model."""
        begun = self._handed and len(request.messages) > 1
        return self._handed.get(_session_of(request), request.model) if begun else request.model

    def following(self, call: Call) -> str | None:
        """Who stands in for the model that is asked now; None: nobody."""
        return self._chain.after(call.model, first=call.request.model)

    def handed(self, request: ModelRequest, model: str) -> None:
        """`model` is asked from now on, and first of all in the later calls of the same session."""
        if request.run_id:
            self._handed[_session_of(request)] = model
            if len(self._handed) > SESSIONS_KNOWN_MAX:
                self._handed.popitem(last=False)

    def until_s(self, call: Call) -> float | None:
        """Until when the call may be with the model that is asked now. None: as long as it takes."""
        patience_s = self._chain.patience_of(call.model, first=call.request.model)
        return None if patience_s is None else call.since_s + patience_s

    def succeeded(self) -> None:
        """A reply came: it earns retries for other calls."""
        self._retries.succeeded()

    def after(self, call: Call, fault: Fault, *, now_s: float, random01: float) -> Retry | AskNext | GiveUp:
        """What follows on an attempt that was lost to `fault`. A retry or a handover that is granted is counted.

        A model that is down and has had its part of the call hands it over at once.
        """
        state, following, late = self._state(call), self.following(call), self._is_late(call, fault, now_s)
        spent = late or (following is not None and call.is_last_but_one)
        made, most = state.attempts, state.attempts_max
        if had_its_part(fault, attempts=made, attempts_max=most, overloads=call.overloads, spent=spent):
            if following is not None:
                why = self._retries.turn(state, call.request.run_id)
                return GiveUp(why) if why else AskNext(following)
            if late:
                return GiveUp(f"it has had {self._chain.patience_s:g} s, and rules stand in for it")
        return self._retries.decide(fault, state, call.request.run_id, random01)

    def _state(self, call: Call) -> CallState:
        left = self._attempts_max - call.attempts_before
        most = self._chain.attempts(call.model, first=call.request.model, left=left)
        return call.state(call.attempts - call.attempts_before, most)

    def _is_late(self, call: Call, fault: Fault, now_s: float) -> bool:
        """Whether the model's time is over, or will be when it may be asked again."""
        until_s = self.until_s(call)
        return until_s is not None and until_s - now_s <= (fault.retry_after_s or 0.0)


def _session_of(request: ModelRequest) -> tuple[str, str, str]:
    """Whose call it is, nearly: a specialist may have several sessions in a run, and they share what they learn."""
    return request.run_id, request.agent, request.model
