"""Puts a host together from values that travel: a specialist, a model to be, prices and rules."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias, cast

from pydantic import TypeAdapter, ValidationError

from actors import prompts
from actors.bill import Prices
from actors.contracts import JsonValue
from actors.holds import Holds
from actors.hosting import Host
from actors.models.base import Effort, ModelClient, close, tell_sharers
from actors.models.cache import CacheCount
from actors.models.store import Store
from actors.overseer import Overseer
from actors.rules import Rules
from actors.runner import Runner
from actors.schema import output_schema, validated
from actors.specialists.base import Specialist
from actors.steps import Answer, Check, Role
from actors.threads import Threads
from actors.toolbox import Toolbox
from actors.tools.cached import CachedTools
from actors.tools.shared import Shared
from budget import Budget, Price

# Made anew in each host's process: a client holds sockets and keys, which do not travel.
ModelFactory: TypeAlias = Callable[[Specialist], ModelClient]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """The model that a specialist works with, the effort that it is asked for, and its price (None: unknown).

    `others` are the prices of models that may be asked beside it: those that stand in for it, and the overseer's.
    """

    model: str
    price: Price | None
    effort: Effort | None = None
    others: Mapping[str, Price | None] = field(default_factory=dict)
    overseer: Overseer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSpec:
    """All that a host needs to know, as a value that pickles. `cache` is the folder of kept tool results, if any.

    `sharers`: processes that draw on the model's rate limits, the host's own among them.
    """

    id: str
    specialist: Specialist
    model: ModelFactory
    assigned: Assigned
    rules: Rules
    sessions_max: int
    cache: str = ""
    sharers: int = 1


def assemble(spec: HostSpec, budget: Budget, *, shared: Shared | None = None, threads: Executor | None = None) -> Host:
    """The host that `spec` describes, paying from `budget`. Hosts of one process may share what they read."""
    shared = shared or Shared()
    threads = threads or Threads(spec.specialist.resources.threads_max)
    assigned, model = spec.assigned, spec.model(spec.specialist)
    tell_sharers(model, spec.sharers)
    shared.on_close(partial(close, model))
    prices = Prices(model=assigned.model, own=assigned.price, others=assigned.others)
    runner = Runner(
        specialist=spec.specialist,
        role=role_of(spec.specialist, assigned.model, assigned.effort, assigned.overseer),
        model=model,
        prices=prices,
        toolbox=Toolbox(
            tools={tool.name: tool for tool in spec.specialist.tools},
            shared=shared,
            threads=threads,
            grants=spec.rules.grants,
            cached=CachedTools(Store(spec.cache), CacheCount()) if spec.cache else None,
        ),
        threads=threads,
        host=spec.id,
        rules=spec.rules,
    )
    holds = Holds(budget, prices, spec.rules.account or spec.rules.batch, spec.id, spec.rules.on_exhausted)
    return Host(runner, holds, spec.sessions_max)


def role_of(specialist: Specialist, model: str, effort: Effort | None = None, overseer: Overseer | None = None) -> Role:
    """What all sessions of a specialist share, with an upper bound of what it takes of each request."""
    system = prompts.system_prompt(specialist)
    schema = output_schema(specialist.output)
    tools = tuple(tool.spec for tool in specialist.tools)
    standing = [system, json.dumps(schema), *(json.dumps([t.name, t.description, dict(t.parameters)]) for t in tools)]
    return Role(
        agent=specialist.name,
        model=model,
        system=system,
        tools=tools,
        check=_check(specialist),
        output_schema=schema,
        output_tokens_max=specialist.output_tokens_max,
        effort=effort or specialist.effort,
        standing_tokens=sum(len(text.encode()) for text in standing),
        limits=specialist.watchdog,
        overseer=overseer,
    )


def _check(specialist: Specialist) -> Check:
    """Validation under a specialist's schema: strictly where the answer is in form, patiently where it is not."""
    model = specialist.output
    adapter = TypeAdapter(model)
    read, write = adapter.validator.validate_json, adapter.serializer.to_json

    def check(text: str) -> Answer | str:
        try:
            return Answer(write(read(text)).decode())
        except ValidationError:
            patient = validated(model, text)
        return patient if isinstance(patient, str) else Answer(prompts.compact(cast(JsonValue, patient)))

    return check
