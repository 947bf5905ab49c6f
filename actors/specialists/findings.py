"""The answer that every specialist of the audit gives: findings with citations, facts to compare, and gaps."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

Severity: TypeAlias = Literal["critical", "high", "medium", "low", "info"]


class Finding(BaseModel):
    """One claim that somebody could act on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str = Field(
        min_length=1,
        max_length=60,
        pattern=r"^[a-z][a-z0-9_]*$",
        description="What kind of problem, one snake_case word or phrase, e.g. slow_restore",
    )
    claim: str = Field(min_length=1, max_length=600, description="One or two sentences with the figures that matter")
    severity: Severity = Field(description="info is context and never counts as a problem")
    confidence: float = Field(ge=0.0, le=1.0, description="How sure the evidence makes you that this is real")
    role: Literal["cause", "symptom"] = Field(
        default="cause", description="symptom: the evidence says that another service causes it"
    )
    cause: str = Field(
        default="", max_length=200, description="A short common cause, for grouping over services; empty if not known"
    )
    citations: list[str] = Field(min_length=1, max_length=12, description="As the tools returned them, unchanged")


class Findings(BaseModel):
    """All that one specialist has to say about one service."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    summary: str = Field(max_length=1_200)
    findings: list[Finding] = Field(default_factory=list, max_length=20)
    facts: dict[str, float | str | bool] = Field(
        default_factory=dict, description="Figures by name; sources that name one differently are a conflict"
    )
    gaps: list[str] = Field(default_factory=list, max_length=20, description="What could not be known, and why")
