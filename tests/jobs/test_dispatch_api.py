"""The interface for programmers: specialists, tools and models from outside the packages."""

from __future__ import annotations

import asyncio
import gc
import pickle
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pydantic import BaseModel

from actors import (
    Answered,
    Call,
    Effect,
    ModelReply,
    ModelRequest,
    Reason,
    Resources,
    ScriptedModel,
    SourceError,
    Specialist,
    Task,
    ToolContext,
    ToolResult,
    Usage,
    tool,
)
from actors.contracts import JsonValue
from actors.models.scripted import calls, says
from budget import load_prices, price_of
from budget.errors import AllFailedError, RunDirectoryError, SettingsError, TaskError
from orchestrator import Settings, dispatch
from orchestrator.store import RunDirectory

LOCAL = Settings(mode="local", model="scripted")


class Count(BaseModel):
    words: int


@tool
async def count_words(text: str) -> int:
    """How many words a text has."""
    return len(text.split())


def rules(inputs: Mapping[str, JsonValue], answered: Sequence[Answered]) -> Sequence[Call] | BaseModel:
    if not answered:
        return [Call("count_words", {"text": inputs["text"]})]
    return Count.model_validate({"words": answered[0].content})


COUNTER = Specialist(
    name="counter",
    purpose="Counts words.",
    prompt="Count the words with your tool.",
    output=Count,
    tools=(count_words,),
    analyst=rules,
)


def plan(*texts: str) -> list:  # type: ignore[type-arg]
    return [COUNTER.task(f"text-{n}", "How many words?", inputs={"text": text}) for n, text in enumerate(texts)]


def two_turns(request: ModelRequest) -> ModelReply:
    """Calls the tool once, then answers."""
    last = request.messages[-1].blocks[0]
    if isinstance(last, ToolResult):
        return says('{"words": 2}', usage=Usage(300, 20))
    return calls("count_words", text="one two", usage=Usage(200, 10))


def test_a_specialist_from_outside_answers_a_plan_by_its_own_rules() -> None:
    """No change of the core: a specialist, a tool and a plan are enough."""
    report = dispatch(plan("one two", "one two three"), specialists=[COUNTER], settings=LOCAL)

    assert [result.output for result in report.results] == [{"words": 2}, {"words": 3}]
    assert report.failures == []
    assert report.spent_tokens == sum(result.work.spent_tokens for result in report.results) > 0
    assert report.synthesis.startswith("synthesis from 2/2 sub-agents")


def test_a_custom_model_drives_the_tools_through_the_same_loop() -> None:
    """What the model says it used is what is counted."""
    report = dispatch(plan("a", "b", "c"), specialists=[COUNTER], model=ScriptedModel(two_turns), settings=LOCAL)

    assert len(report.results) == 3
    assert report.spent_tokens == 3 * 530
    assert {result.work.tool_calls for result in report.results} == {1}


def test_one_failing_sub_agent_leaves_its_siblings_and_is_a_row_with_its_reason() -> None:
    """Failures are values: unknown agents, refusals of the schema and broken tools each have their row."""

    def script(request: ModelRequest) -> ModelReply:
        return says("not json") if "text-1" in str(request.messages) else two_turns(request)

    tasks = [*plan("ok"), COUNTER.task("bad", "say text-1")]
    stranger = Specialist(name="stranger", purpose="None.", prompt="None.", output=Count)
    tasks.append(stranger.task("unknown", "who?"))

    report = dispatch(tasks, specialists=[COUNTER], model=ScriptedModel(script), settings=LOCAL)

    assert [result.task_id for result in report.results] == ["text-0"]
    assert {failure.task_id: failure.reason for failure in report.failures} == {
        "bad": Reason.INVALID_OUTPUT,
        "unknown": Reason.NO_SUCH_AGENT,
    }
    assert report.outcomes.num_rows == 3
    assert "1/3" in report.synthesis
    assert "degraded: 2" in report.synthesis


def test_when_all_fail_the_error_carries_the_report() -> None:
    """A meaningless empty answer is no answer."""
    with pytest.raises(AllFailedError) as caught:
        dispatch(plan("a"), specialists=[COUNTER], model=ScriptedModel(lambda _: says("no")), settings=LOCAL)

    assert caught.value.report.failures[0].reason is Reason.INVALID_OUTPUT  # type: ignore[attr-defined]


def test_a_model_that_the_settings_do_not_name_costs_what_its_replies_say() -> None:
    """By the name that they give; unknown where that has no price, and never nothing."""

    def cost(said: str, **settings: Any) -> int | None:
        reply = says('{"words": 2}', usage=Usage(1_000, 100))._replace(model=said)
        chosen = Settings(mode="local", **settings)
        return dispatch(
            plan("a"), specialists=[COUNTER], model=ScriptedModel(lambda _: reply), settings=chosen
        ).cost_microusd

    named = price_of("claude-sonnet-5-5")
    assert named is not None
    assert cost("claude-sonnet-5-5") == named.cost(input_tokens=1_000, output_tokens=100)
    assert cost("claude-sonnet-5-5", model="claude-sonnet-5-5") == cost("claude-sonnet-5-5")
    assert cost("stub") is None


def test_a_ceiling_in_dollars_needs_a_price(tmp_path: Path) -> None:
    """Or it would hold nothing back, or end each task."""
    given: dict[str, Any] = {"specialists": [COUNTER], "model": ScriptedModel(two_turns)}
    for settings in (Settings(mode="local", microusd_max=10), Settings(mode="local", model="mine", microusd_max=10)):
        with pytest.raises(
            SettingsError, match=r"microusd_max is 10, and nobody knows what model '(custom|mine)' costs"
        ):
            dispatch(plan("a"), settings=settings, **given)

    own = tmp_path / "prices.yaml"
    own.write_text("rows: [{models: [mine], input: 1, output: 1, source: me, read: 2026-11-21}]")
    settings = Settings(mode="local", model="mine", microusd_max=10_000_000)
    report = dispatch(plan("a b"), settings=settings, prices=load_prices(own), **given)
    assert report.cost_microusd == report.spent_tokens


def test_settings_that_change_nothing_for_a_program_are_named(caplog: pytest.LogCaptureFixture) -> None:
    """A deadline that nobody keeps is worse than none."""
    dispatch(plan("a"), specialists=[COUNTER], settings=Settings(mode="local", deadline_s=1, turns_max=2))

    assert "settings that change nothing for a program's tasks: deadline_s, turns_max" in caplog.text


@pytest.mark.parametrize(
    "error", [ValueError("odd"), SystemExit(3), KeyboardInterrupt(), GeneratorExit(), BaseException("odd")]
)
def test_whatever_a_model_raises_costs_its_own_sub_agent_and_nobody_else(error: BaseException) -> None:
    """Its call may have been billed, so it is booked at its worst case, and nothing stays set aside."""

    def script(request: ModelRequest) -> ModelReply:
        if "odd one" in str(request.messages):
            raise error
        return two_turns(request)

    settings = Settings(mode="local", model="scripted", tokens_max=60_000)
    tasks = [COUNTER.task("odd", "odd one"), *plan("a", "b")]
    report = dispatch(tasks, specialists=[COUNTER], model=ScriptedModel(script), settings=settings)

    (failure,) = report.failures
    assert (failure.reason, len(report.results)) == (Reason.MODEL_ERROR, 2)
    assert type(error).__name__ in failure.message
    assert 4_096 < failure.work.spent_tokens < 20_000
    assert report.spent_tokens == failure.work.spent_tokens + 2 * 530


def test_a_model_that_cannot_be_closed_takes_no_answer_with_it() -> None:
    """What was paid for is kept, whatever comes after it."""

    class Stuck(ScriptedModel):
        async def aclose(self) -> None:
            raise SystemExit("no connection to close")

    report = dispatch(plan("a b"), specialists=[COUNTER], model=Stuck(two_turns), settings=LOCAL)

    assert len(report.results) == 1


@pytest.mark.parametrize("error", [SystemExit(3), GeneratorExit()])
def test_a_tool_that_would_end_the_program_ends_its_call(error: BaseException) -> None:
    """Plain ones in their thread, async ones in the host's loop: the model is told, and may answer."""

    @tool
    def leave() -> int:
        """Leaves."""
        raise error

    @tool
    async def go() -> int:
        """Goes."""
        raise error

    def script(request: ModelRequest) -> ModelReply:
        last = request.messages[-1].blocks[0]
        if isinstance(last, ToolResult):
            assert last.is_error
            assert type(error).__name__ in last.content
            return says('{"words": 0}')
        return calls("leave" if "text-0" in str(request.messages) else "go")

    quitter = Specialist(name="counter", purpose="Quits.", prompt="Quit.", output=Count, tools=(leave, go))
    report = dispatch(plan("a", "b"), specialists=[quitter], model=ScriptedModel(script), settings=LOCAL)

    assert len(report.results) == 2


def test_a_check_of_citations_that_would_end_the_program_leaves_them_unresolved() -> None:
    class Cited(BaseModel):
        citations: list[str]

    def check(_: object, __: Sequence[str]) -> Sequence[str]:
        raise GeneratorExit

    citing = Specialist(name="citing", purpose="Cites.", prompt="Cite.", output=Cited, check_citations=check)
    model = ScriptedModel(lambda _: says('{"citations": ["somewhere"]}'))
    report = dispatch([citing.task("a", "cite")], specialists=[citing], model=model, settings=LOCAL)

    assert report.results[0].unresolved == ("somewhere",)


def test_a_source_that_can_no_longer_be_asked_makes_no_answer_without_its_findings() -> None:
    """Struck citations would say that all is well; that nobody could look is a failure of the source."""

    class Cited(BaseModel):
        citations: list[str]

    def check(_: object, __: Sequence[str]) -> Sequence[str]:
        raise SourceError("the server is gone")

    citing = Specialist(name="citing", purpose="Cites.", prompt="Cite.", output=Cited, check_citations=check)
    model = ScriptedModel(lambda _: says('{"citations": ["somewhere"]}'))
    with pytest.raises(AllFailedError) as caught:
        dispatch([citing.task("a", "cite")], specialists=[citing], model=model, settings=LOCAL)

    (failure,) = caught.value.report.failures  # type: ignore[attr-defined]
    assert failure.reason is Reason.TOOL_ERROR
    assert "could not be looked up" in failure.message
    assert "the server is gone" in failure.message


def test_a_sub_agent_that_hangs_ends_at_its_deadline_and_the_others_answer() -> None:
    """The slow one is a timeout whose spend is booked at its worst case; siblings are unharmed."""

    async def script(request: ModelRequest) -> ModelReply:
        if "hang" in str(request.messages):
            await asyncio.Event().wait()
        return two_turns(request)

    tasks = [*plan("a", "b"), COUNTER.task("slow", "hang", deadline_s=0.2)]

    report = dispatch(tasks, specialists=[COUNTER], model=ScriptedModel(script), settings=LOCAL)

    (failure,) = report.failures
    assert failure.reason is Reason.TIMEOUT
    assert failure.work.usage == Usage()
    assert 0 < failure.work.spent_tokens <= 50_000
    assert [(span.name, span.error) for span in failure.work.spans] == [("chat scripted", "cut off while under way")]
    assert len(report.results) == 2


def test_what_would_pass_the_ceiling_is_skipped_and_named() -> None:
    """With skip nothing waits: what does not fit now is a budget_skip."""
    settings = Settings(mode="local", model="scripted", tokens_max=60_000, on_exhausted="skip")

    report = dispatch(plan("a", "b"), specialists=[COUNTER], model=ScriptedModel(two_turns), settings=settings)

    assert [failure.reason for failure in report.failures] == [Reason.BUDGET_SKIP]
    assert "60" in report.failures[0].message
    assert report.spent_tokens <= 60_000


def test_with_wait_all_of_a_plan_is_answered_within_the_ceiling() -> None:
    """Refunds let the next one in: the ceiling is used, not wasted."""
    settings = Settings(mode="local", model="scripted", tokens_max=60_000, sessions_max=50)

    report = dispatch(plan(*"abcdefgh"), specialists=[COUNTER], model=ScriptedModel(two_turns), settings=settings)

    assert (len(report.results), report.spent_tokens) == (8, 8 * 530)


def test_never_more_sub_agents_are_at_work_than_allowed() -> None:
    """The gauge never passes the limit, whatever the size of the plan."""
    at_work, peak = 0, 0

    async def script(request: ModelRequest) -> ModelReply:
        nonlocal at_work, peak
        at_work += 1
        peak = max(peak, at_work)
        await asyncio.sleep(0.001)
        at_work -= 1
        return two_turns(request)

    settings = Settings(mode="local", model="scripted", sessions_max=4)
    dispatch(plan(*"abcdefghijklmnopqrst"), specialists=[COUNTER], model=ScriptedModel(script), settings=settings)

    assert peak == 4


def test_as_many_sub_agents_are_at_work_as_the_settings_allow() -> None:
    """With nothing else said, neither the specialist nor the taking in of runs holds the batch below its limit."""
    at_work, everybody = 0, asyncio.Event()

    async def script(request: ModelRequest) -> ModelReply:
        nonlocal at_work
        at_work += 1
        if at_work == 700:
            everybody.set()
        await everybody.wait()
        return two_turns(request)

    settings = Settings(mode="local", model="scripted", sessions_max=700)
    tasks = plan(*map(str, range(700)))
    report = dispatch(tasks, specialists=[COUNTER], model=ScriptedModel(script), settings=settings)

    assert len(report.results) == 700


def test_plain_tools_have_as_many_threads_as_their_specialist_asks_for() -> None:
    """Tools that wait for a server wait at the same time."""
    all_there = threading.Barrier(40)

    @tool
    def wait(number: int) -> int:
        """Come back when all others are there."""
        all_there.wait(timeout=20)
        return number

    def script(request: ModelRequest) -> ModelReply:
        last = request.messages[-1].blocks[0]
        if isinstance(last, ToolResult):
            assert not last.is_error
            return says('{"words": 1}')
        return calls("wait", number=len(str(request.messages)))

    crowd = Specialist(
        name="counter",
        purpose="Waits.",
        prompt="Wait.",
        output=Count,
        tools=(wait,),
        resources=Resources(threads_max=40),
    )
    settings = Settings(mode="local", model="scripted", sessions_max=40)
    report = dispatch(plan(*map(str, range(40))), specialists=[crowd], model=ScriptedModel(script), settings=settings)

    assert len(report.results) == 40


@pytest.mark.parametrize("granted", [False, True])
def test_a_tool_that_acts_on_the_world_runs_where_it_is_granted_and_nowhere_else(granted: bool) -> None:
    """Sub-agents recommend; acting needs somebody's word."""
    done: list[str] = []

    @tool(effect=Effect.ACT)
    async def restart(context: ToolContext, service: str) -> str:
        """Restart a service."""
        done.append(context.idempotency_key)
        return service

    def script(request: ModelRequest) -> ModelReply:
        last = request.messages[-1].blocks[0]
        if isinstance(last, ToolResult):
            assert last.is_error is not granted
            return says('{"words": 0}')
        return calls("restart", service="cart")

    operator = Specialist(name="operator", purpose="Runs.", prompt="Run.", output=Count, tools=(restart,))

    task = operator.task("t", "restart it")
    model, grants = ScriptedModel(script), ["restart"] if granted else []

    report = dispatch([task], specialists=[operator], model=model, settings=LOCAL, grants=grants)

    assert len(report.results) == 1
    assert len(done) == granted


@pytest.mark.parametrize(("grants", "said"), [
    (["restrat"], "'restrat', which is no tool with Effect.ACT: no specialist has one"),
    (["count_words"], "'count_words', which is no tool with Effect.ACT"),
    ("count_words", "give a list of tools' names"),
    (None, "give a list of tools' names"),
])  # fmt: skip
def test_a_grant_that_grants_nothing_is_refused_before_anything_runs(grants: Any, said: str) -> None:
    """Whoever mistypes it would learn of it from denied calls, which are paid for."""
    with pytest.raises(SettingsError, match=said):
        dispatch(plan("a"), specialists=[COUNTER], settings=LOCAL, grants=grants)


def test_an_id_used_twice_is_refused_before_anything_runs() -> None:
    """One row per task needs one id per task."""
    with pytest.raises(TaskError, match="'text-0' is used twice"):
        dispatch([*plan("a"), *plan("b")], specialists=[COUNTER], settings=LOCAL)


def test_a_plan_that_comes_from_an_iterator_is_taken_as_there_is_room() -> None:
    """What is taken in is bounded, however long the plan is."""
    taken, ended, ahead = 0, 0, 0

    def many() -> Iterator[Task]:
        nonlocal taken
        for task in plan(*map(str, range(600))):
            taken += 1
            yield task

    async def script(request: ModelRequest) -> ModelReply:
        nonlocal ended, ahead
        ahead = max(ahead, taken - ended)
        await asyncio.sleep(0)
        ended += isinstance(request.messages[-1].blocks[0], ToolResult)
        return two_turns(request)

    settings = Settings(mode="local", model="scripted", runs_ahead=50)
    report = dispatch(many(), specialists=[COUNTER], model=ScriptedModel(script), settings=settings)

    assert len(report.results) == taken == 600
    assert ahead <= 51  # one more is looked at, to see where a run ends


def test_an_iterator_that_fails_ends_the_batch_with_its_own_error(tmp_path: Path) -> None:
    """What was answered until then stays in the run's directory."""

    def torn() -> Iterator[Task]:
        yield from plan(*"abcdefghijklmnopqrstuvwxyz")
        raise ConnectionError("the queue is gone")

    settings = Settings(mode="local", runs_ahead=5)
    with pytest.raises(ConnectionError, match="the queue is gone"):
        dispatch(torn(), specialists=[COUNTER], settings=settings, run_dir=tmp_path / "run")

    assert RunDirectory.look(tmp_path / "run").effective().num_rows > 0
    assert not RunDirectory.look(tmp_path / "run").in_use


def test_what_was_paid_for_is_kept_where_a_plan_breaks_and_nobody_named_a_directory() -> None:
    """The error says where."""

    def torn() -> Iterator[Any]:
        yield from plan(*"abcdefghijklmnopqrstuvwxyz")
        yield "no task"

    settings = Settings(mode="local", runs_ahead=5)
    with pytest.raises(TaskError, match="the plan holds a str, not a task") as caught:
        dispatch(torn(), specialists=[COUNTER], settings=settings)

    (note,) = caught.value.__notes__
    kept = Path(note.split("'")[1])
    assert RunDirectory.look(kept).effective().num_rows > 0
    assert len(dispatch(plan("a", "b"), specialists=[COUNTER], settings=LOCAL, run_dir=kept, resume=True).results) == 2
    shutil.rmtree(kept.parent)


@pytest.mark.parametrize(("manifest", "said"), [
    ('{"schema": "muster.run/1", "job": "audit"}', "is of job 'audit': say `muster resume`"),
    ('{"schema": "muster.run/1"}', "does not say under which tokens_max and microusd_max it was begun"),
    ('{"schema": "muster.run/1", "tokens_max": "many", "microusd_max": null}', "does not say under which tokens_max"),
])  # fmt: skip
def test_what_is_no_run_of_a_program_is_not_gone_on_with(manifest: str, said: str, tmp_path: Path) -> None:
    """And is left as it was, for whoever may."""
    (tmp_path / "manifest.json").write_text(manifest)

    with pytest.raises(RunDirectoryError, match=said):
        dispatch(plan("a"), specialists=[COUNTER], settings=LOCAL, run_dir=tmp_path, resume=True)

    assert (tmp_path / "manifest.json").read_text() == manifest
    assert not RunDirectory.look(tmp_path).in_use


def test_a_plan_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    """What was answered is not asked again, what was spent counts, and one report is about all of it."""
    asked: list[str] = []

    def script(request: ModelRequest) -> ModelReply:
        asked.append(str(request.messages[0]))
        return says('{"words": 2}')

    def broken() -> Iterator[Task]:
        yield from tasks[:20]
        raise ConnectionError("the queue is gone")

    tasks = [COUNTER.task(f"t{n}", f"How many words has the text of {n}?") for n in range(30)]
    given: dict[str, Any] = {"specialists": [COUNTER], "model": ScriptedModel(script), "run_dir": tmp_path / "run"}
    with pytest.raises(ConnectionError):
        dispatch(broken(), settings=Settings(mode="local", runs_ahead=5), resume=True, **given)
    answered = RunDirectory.look(tmp_path / "run").effective().column("status").to_pylist().count("ok")
    asked.clear()

    report = dispatch(tasks, settings=LOCAL, resume=True, **given)
    once_more = dispatch(tasks, settings=LOCAL, resume=True, **given)

    assert answered > 0
    assert len(asked) == len(set(asked)) == 30 - answered
    assert [len(report.results), len(once_more.results)] == [30, 30]
    assert report.spent_tokens == once_more.spent_tokens
    assert report.outcomes.num_rows == 30


def test_results_are_a_sequence_by_task_id_however_they_are_looked_at() -> None:
    """One at a time, a slice, all of them: the same values, and nothing is kept."""
    report = dispatch(plan(*"abcdefghijkl"), specialists=[COUNTER], settings=LOCAL)
    ids = sorted(f"text-{n}" for n in range(12))

    assert [result.task_id for result in report.results] == ids
    assert [report.results[n].task_id for n in range(-12, 12)] == ids + ids
    assert [result.task_id for result in report.results[3:9:2]] == ids[3:9:2]
    assert report.results == list(report.results)
    assert report.results != report.results[:11]
    assert (report.tasks, report.statuses) == (12, {"ok": 12})
    with pytest.raises(IndexError):
        report.results[12]


def test_without_a_run_directory_the_files_go_with_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read before stays readable: it is mapped, and values are values."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    report = dispatch(plan("a", "b"), specialists=[COUNTER], settings=LOCAL)
    table, first = report.outcomes, report.results[0]

    assert len(list(tmp_path.iterdir())) == 1
    del report
    gc.collect()

    assert list(tmp_path.iterdir()) == []
    assert (table.num_rows, first.output) == (2, {"words": 1})
    assert sorted(table.column("task_id").to_pylist()) == ["text-0", "text-1"]


def test_a_refused_plan_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error on the way takes the scratch folder with it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(TaskError):
        dispatch(iter([*plan("a"), *plan("b")]), specialists=[COUNTER], settings=LOCAL)
    gc.collect()

    assert list(tmp_path.iterdir()) == []


def test_a_report_travels_with_its_outcomes_to_another_process() -> None:
    """Its files may not be there."""
    report = dispatch(plan("one two", "one"), specialists=[COUNTER], settings=LOCAL)

    travelled = pickle.loads(pickle.dumps(report))

    assert travelled.results == report.results
    assert travelled.synthesis == report.synthesis
    assert (travelled.spent_tokens, travelled.elapsed_s) == (report.spent_tokens, report.elapsed_s)


def test_outcomes_whose_files_are_gone_are_an_error_and_not_fewer_rows(tmp_path: Path) -> None:
    """A table that lacks rows looks like an answer."""
    report = dispatch(plan("a", "b"), specialists=[COUNTER], settings=LOCAL, run_dir=tmp_path / "run")
    for file in (tmp_path / "run" / "outcomes").iterdir():
        file.unlink()

    assert len(report.results) == 2
    with pytest.raises(RunDirectoryError, match="0 of 2 outcomes"):
        _ = report.results[0]


def test_what_was_not_begun_of_a_list_is_counted() -> None:
    """A batch that ends early says how much of its plan is missing."""

    async def script(request: ModelRequest) -> ModelReply:
        if "text-0'" not in str(request.messages):
            await asyncio.sleep(0.05)
        return two_turns(request)

    settings = Settings(mode="local", model="scripted", runs_ahead=2, sessions_max=1, batch_deadline_s=0.3)
    tasks = plan(*map(str, range(500)))
    report = dispatch(tasks, specialists=[COUNTER], model=ScriptedModel(script), settings=settings)

    assert report.tasks + report.not_begun == 500
    assert report.not_begun > 0
    assert f"{report.not_begun} sub-agents not begun" in report.synthesis
    assert report.synthesis.startswith(f"synthesis from {len(report.results)}/500 sub-agents")


def test_the_run_directory_keeps_what_was_asked_and_what_came_of_it(tmp_path: Path) -> None:
    """The table in the report is the one on disk."""
    report = dispatch(plan("a", "b"), specialists=[COUNTER], settings=LOCAL, run_dir=tmp_path / "run")

    assert (tmp_path / "run" / "manifest.json").is_file()
    assert sorted(report.outcomes.column("task_id").to_pylist()) == ["text-0", "text-1"]
    kept = list((tmp_path / "run" / "outcomes").iterdir())
    assert [file.suffix for file in kept] == [".parquet"]
    assert pq.read_table(kept[0]).equals(report.outcomes.sort_by("task_id"))


def test_tasks_that_ask_the_same_are_named_before_they_are_paid_for(caplog: pytest.LogCaptureFixture) -> None:
    """Vague plans make sub-agents do each other's work; the same words and inputs for one agent are a sign of it."""
    tasks = [COUNTER.task("a", "How many words?", inputs={"text": "x"}), *plan("y")]
    tasks.append(COUNTER.task("b", "how many  words?", inputs={"text": "x"}))

    report = dispatch(tasks, specialists=[COUNTER], settings=LOCAL)

    assert "a, b" in caplog.text
    assert len(report.results) == 3
