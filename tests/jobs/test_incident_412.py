"""The 412-dollar incident: one request, a tool that always answers 429, a model that never stops trying.

What was seen in the field: more than 200 calls and 412 dollars within five minutes, from a single question. Here the
model words each attempt anew, so that no detector of repeated calls sees it.
"""

from __future__ import annotations

from pydantic import BaseModel

from actors import ModelReply, ModelRequest, Reason, ScriptedModel, Specialist, ToolResult, Usage, tool
from actors.models.scripted import calls, says
from actors.rules import WatchLimits
from actors.tools.base import ToolError
from orchestrator import Settings, dispatch
from orchestrator.plan_report import Report

CEILING = 40_000
FRUITLESS_MAX = WatchLimits().fruitless_turns_max
OTHERS = 12


class Note(BaseModel):
    text: str


def run(specialist: Specialist, *, turns_max: int, asked: list[int]) -> Report:
    """One runaway among healthy siblings. `asked` counts the runaway's model calls."""

    def script(request: ModelRequest) -> ModelReply:
        answered = isinstance(request.messages[-1].blocks[0], ToolResult)
        if "healthy" in str(request.messages[0]):
            return says('{"text": "done"}', usage=Usage(200, 20))
        asked.append(len(request.messages))
        wording = f"the figures, attempt {len(asked)}, {'please' if answered else 'first'}"
        return calls("fetch", usage=Usage(900 * len(asked), 100), id=f"c{len(asked)}", what=wording)

    tasks = [specialist.task("runaway", "Fetch the figures.", tokens_max=CEILING, turns_max=turns_max, run_id="bad")]
    tasks += [specialist.task(f"ok-{n}", "healthy", tokens_max=CEILING, run_id=f"r{n}") for n in range(OTHERS)]
    settings = Settings(mode="local", model="scripted", tokens_max=(1 + OTHERS) * CEILING)
    return dispatch(tasks, specialists=[specialist], model=ScriptedModel(script), settings=settings)


def specialist_with(fetch: object) -> Specialist:
    return Specialist(name="fetcher", purpose="Fetches.", prompt="Fetch.", output=Note, tools=(fetch,))  # type: ignore[arg-type]


def test_a_tool_that_always_fails_ends_the_session_as_no_progress():
    """Other words, same nothing: after a few turns of errors alone the watchdog ends it, far below its ceiling."""

    @tool
    async def fetch(what: str) -> str:
        """Fetch something."""
        raise ToolError(f"429 Too Many Requests for {what}")

    asked: list[int] = []
    report = run(specialist_with(fetch), turns_max=1_000, asked=asked)
    (failure,) = report.failures

    assert (failure.task_id, failure.reason) == ("runaway", Reason.WATCHDOG)
    assert "429 Too Many Requests" in failure.message
    assert len(asked) == FRUITLESS_MAX + 1
    assert failure.work.spent_tokens <= CEILING
    assert len(report.results) == OTHERS


def test_where_the_429_looks_like_a_result_the_burn_rate_ends_it():
    """The tool wraps its refusal in an ordinary result: no call fails, none is repeated, and nothing new comes."""

    @tool
    async def fetch(what: str) -> dict[str, object]:
        """Fetch something."""
        return {"status": 429, "for": what, "retry": True}

    asked: list[int] = []
    report = run(specialist_with(fetch), turns_max=1_000, asked=asked)
    (failure,) = report.failures

    assert failure.reason is Reason.WATCHDOG
    assert failure.message.startswith("burn rate: ")
    assert failure.work.spent_tokens <= CEILING / 2
    assert len(asked) < 8
    assert len(report.results) == OTHERS
    assert report.spent_tokens <= CEILING + OTHERS * 220


def test_a_session_with_a_success_now_and_then_is_left_alone():
    """Slow and clumsy is not runaway: errors in a row are counted, not errors."""
    tries = [0]

    @tool
    async def fetch(what: str) -> str:
        """Fetch something."""
        tries[0] += 1
        if tries[0] % FRUITLESS_MAX:
            raise ToolError(f"429 for {what}")
        return "a figure"

    def script(_: ModelRequest) -> ModelReply:
        if tries[0] >= 15:
            return says('{"text": "done"}', usage=Usage(200, 20))
        return calls("fetch", usage=Usage(300, 20), id=f"c{tries[0]}", what=f"attempt {tries[0]}")

    specialist = specialist_with(fetch)
    task = specialist.task("slow", "Fetch.", tokens_max=CEILING, turns_max=50)
    report = dispatch(
        [task], specialists=[specialist], model=ScriptedModel(script), settings=Settings(mode="local", model="scripted")
    )

    assert [result.task_id for result in report.results] == ["slow"]
