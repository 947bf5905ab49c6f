"""What sessions are held to, by their batch and by their specialist. These values travel to the hosts."""

from __future__ import annotations

from dataclasses import dataclass

from budget.errors import TaskError


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a batch sets for all of its sessions."""

    batch: str = "batch"
    account: str = ""  # that the runs are under, where it is not the batch's own
    on_exhausted: str = "wait"  # or "skip"
    grants: frozenset[str] = frozenset()  # names of tools with effect `act` that may run
    spans: bool = True
    traced: bool = False  # tell the provider which span its call belongs to
    transcripts: str = "none"  # whose conversations are kept: all, failures, none


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchLimits:
    """How much of what is no progress a session may do. Raises TaskError for a limit below 1, or a share beyond 0 to 1.

    `repeats_max`: the same call with the same arguments, while nothing new comes of it or of a call beside it.
    `fruitless_turns_max`: turns in a row in which every tool call failed.
    `stale_turns_max`: turns in a row without news, and with them no more than `stale_tokens_max` tokens, or
    `stale_share_max` of the task's ceiling where that is less. Both must be passed: a costly turn alone is no runaway.
    The field's example burned 412 dollars in 200 such turns (docs/models.md); five of ten thousand tokens end it.
    `calls_max`: the tool calls of one reply that are made; those above it are answered with an error, and the session
    goes on. Models rarely ask for more than 20 side by side, and Anthropic's scaling rule gives an agent of a hard
    question 10 to 15 calls for all of its turns ("How we built our multi-agent research system", 2025-06-13).
    """

    repeats_max: int = 4
    fruitless_turns_max: int = 5
    stale_turns_max: int = 4
    stale_tokens_max: int = 50_000
    stale_share_max: float = 0.25
    calls_max: int = 32

    def __post_init__(self) -> None:
        for name in ("repeats_max", "fruitless_turns_max", "stale_turns_max", "stale_tokens_max", "calls_max"):
            said = getattr(self, name)
            if type(said) is not int or said < 1:
                raise TaskError(f"the watchdog's {name} is {said!r}, and must be a whole number of at least 1")
        if not 0 < self.stale_share_max <= 1:
            raise TaskError(f"the watchdog's stale_share_max is {self.stale_share_max}, and must lie above 0, up to 1")

    def stale_tokens(self, tokens_max: int) -> int:
        """What a task of this ceiling may burn without news."""
        return min(self.stale_tokens_max, int(self.stale_share_max * tokens_max))


USUAL = WatchLimits()
