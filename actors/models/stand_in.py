"""A specialist's own rules in place of a model that is down: a poorer answer, under its own name, for nothing.

The rules begin anew with the task: what the model had asked for before follows no rule of theirs. Once they have begun
they see the session through, so that one answer has one author.
"""

from __future__ import annotations

from dataclasses import dataclass

from actors.contracts import NOTHING
from actors.models.base import Message, ModelClient, ModelError, ModelReply, ModelRequest, ToolUse, close, tell_sharers
from actors.models.chain import DOWN
from actors.models.offline import OFFLINE, OfflineModel
from actors.specialists.base import Analyst

RULES = "rules"  # what the ids of calls begin with that the rules make


@dataclass(frozen=True, slots=True)
class StandIn:
    """A `ModelClient` that asks `inner`, and the rules of `agent` where that is down. Others' requests pass through."""

    inner: ModelClient
    agent: str
    analyst: Analyst

    async def reply(self, request: ModelRequest) -> ModelReply:
        """The model's reply or, when its circuit is open or it is given up as down, that of the rules."""
        if request.agent != self.agent:
            return await self.inner.reply(request)
        begun = _begun(request.messages)
        if begun is not None:
            return await self._by_rules(request, begun)
        try:
            return await self.inner.reply(request)
        except ModelError as error:
            if not (error.circuit_open or error.attributes.get("error.type") in DOWN):
                raise
            reply = await self._by_rules(request, ())
            why = {**error.attributes, **reply.attributes, "muster.fallback_why": str(error)[:200]}
            return reply._replace(unseen_tokens=error.unseen_tokens, attributes=why)

    def shared_by(self, processes: int) -> None:
        tell_sharers(self.inner, processes)

    async def aclose(self) -> None:
        await close(self.inner)

    async def _by_rules(self, request: ModelRequest, begun: tuple[Message, ...]) -> ModelReply:
        """Nobody bills it, so its usage is nothing."""
        opening = Message("user", request.messages[0].blocks[:1])
        reply = await OfflineModel(self.analyst, RULES).reply(request._replace(messages=(opening, *begun)))
        told = {"gen_ai.request.model": OFFLINE, "muster.fallback_for": request.model}
        return reply._replace(usage=NOTHING, called=OFFLINE, attributes=told)


def _begun(messages: tuple[Message, ...]) -> tuple[Message, ...] | None:
    """The conversation from where the rules began; None when they have not."""
    for place, message in enumerate(messages):
        if any(isinstance(block, ToolUse) and block.id.startswith(f"{RULES}-") for block in message.blocks):
            return messages[place:]
    return None
