"""What a caller may set for a batch, checked before anything starts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from actors.contracts import JsonValue
from actors.overseer import EVERY_TURNS, Overseer
from actors.specialists.base import DEADLINE_S
from budget import ALERT_PERCENTS
from budget.errors import SettingsError
from orchestrator.ranges import PERCENT, RANGES

# The defaults of the public description of the pattern: 4 sub-agents at once, 200 000 tokens a run.
CONCURRENCY = 4
TOKENS_PER_RUN = 200_000
RUNS_AHEAD_MIN = 256  # also where few sub-agents are at work: a turn of the driver takes in many runs at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Limits and manners of one batch. Raises SettingsError for a value that makes no sense.

    `sessions_max` bounds the sub-agents at work at once, over all hosts.
    `tokens_max` and `microusd_max` are the batch's ceiling; None sets none.
    """

    mode: Literal["local", "embedded", "cluster"] = "embedded"
    address: str = ""
    model: str = "offline"  # that most sub-agents work with
    tiers: str = ""  # other models by tier, as --tier says them
    fallback_model: str = ""  # who stands in for a model that is down, one after the other with commas
    watchdog_model: str = ""  # a small model that looks whether sessions make progress; none: rules alone
    watchdog_turns: int = EVERY_TURNS  # turns with tools from one look to the next
    cache: str = ""  # the folder of kept replies and tool results
    sessions_max: int = CONCURRENCY
    deadline_s: float = DEADLINE_S
    turns_max: int = 12
    tokens_per_run: int = TOKENS_PER_RUN
    tokens_max: int | None = None
    microusd_max: int | None = None
    on_exhausted: Literal["wait", "skip"] = "wait"
    shared_budget: str = ""  # a ceiling of this name, on the cluster, above the batch's
    alert_percents: tuple[int, ...] = ALERT_PERCENTS
    min_fraction: float = 0.7
    batch_deadline_s: float | None = None
    run_deadline_s: float | None = None
    grace_s: float = 10.0
    runs_ahead: int | None = None  # runs admitted at once, at most; None: as many as keep `sessions_max` at work
    hosts_per_agent: int = 1
    drivers: int = 1  # that share the batch; each has hosts of its own
    spans: bool = True
    durable: bool = True
    log_content: bool = True
    transcripts: Literal["all", "failures", "none"] = "failures"
    synthesis: Literal["rules", "tree"] = "rules"  # who writes the last page: rules alone, or a tree of leads
    dashboard: bool = False

    def __post_init__(self) -> None:
        for name, within in RANGES.items():
            value = getattr(self, name)
            if value not in within and not (value is None and name in _MAY_BE_NONE):
                raise SettingsError(f"{name} is {value!r:.60}, and must be {within}: change it in Settings({name}=…)")
        for name in ("spans", "durable", "log_content", "dashboard"):
            if not isinstance(getattr(self, name), bool):
                raise SettingsError(f"{name} is {getattr(self, name)!r} and must be True or False")
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise SettingsError(f"{name} is {getattr(self, name)!r} and must be one of {', '.join(choices)}")
        if self.shared_budget and self.mode == "local":
            raise SettingsError(
                f"shared budget {self.shared_budget!r} lives on a cluster, and this batch runs in its own process: "
                "leave --local out"
            )
        if self.drivers > 1 and self.mode == "local":
            raise SettingsError(
                f"drivers is {self.drivers}, and this batch runs in its own process: leave --drivers or --local out"
            )
        if self.drivers > self.sessions_max and self.drivers > 1:
            raise SettingsError(
                f"drivers is {self.drivers} and concurrency {self.sessions_max}, and each driver needs a session: "
                f"set --concurrency to {self.drivers} or more"
            )
        wrong = [percent for percent in self.alert_percents if percent not in PERCENT]
        if wrong:
            raise SettingsError(
                f"alert_percents holds {wrong[0]!r:.60}, and each must be {PERCENT}: change it in "
                "Settings(alert_percents=…)"
            )

    @property
    def runs_ahead_max(self) -> int:
        """Runs admitted at once: a run has a task at least, and the next ones are to be there when some end.

        It bounds the driver's memory, which so does not grow with the batch.
        """
        return self.runs_ahead or max(RUNS_AHEAD_MIN, 2 * self.sessions_max)

    @property
    def overseer(self) -> Overseer | None:
        """The small model that looks on, where one is named."""
        return Overseer(model=self.watchdog_model, every_turns=self.watchdog_turns) if self.watchdog_model else None

    @property
    def other_models(self) -> tuple[str, ...]:
        """Those that may be asked beside the model of a session: they stand in for it, or look on."""
        named = (*self.fallback_model.split(","), self.watchdog_model)
        return tuple(name.strip() for name in named if name.strip() and name.strip() != self.model)

    def as_json(self) -> dict[str, JsonValue]:
        """For the run directory's manifest: what was asked, no secrets among it."""
        return {**asdict(self), "alert_percents": list(self.alert_percents)}


_CHOICES = {
    "mode": ("local", "embedded", "cluster"),
    "on_exhausted": ("wait", "skip"),
    "transcripts": ("all", "failures", "none"),
    "synthesis": ("rules", "tree"),
}

_MAY_BE_NONE = ("tokens_max", "microusd_max", "batch_deadline_s", "run_deadline_s", "runs_ahead")
