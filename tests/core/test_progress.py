"""Progress: what the line says, when it is written, and that it does not wrap."""

from __future__ import annotations

import io
import re
from collections import Counter
from typing import Any

import pytest

from jobs.progress import COLUMNS_DEFAULT, Progress, Rate
from jobs.progress_line import Ceilings, brief, duration, fitting, line, rounded, rounded_dollars, row
from orchestrator.tally import Tally


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Terminal(io.StringIO):
    """A stream that says it is a terminal, and has no file behind it."""

    def isatty(self) -> bool:
        return True


def a_tally(**given: Any) -> Tally:
    fields: dict[str, Any] = {
        "runs_finished": 1_200, "runs_admitted": 1_300, "tasks_planned": 5_200, "tasks_in_flight": 64,
        "statuses": Counter({"ok": 4_790, "timeout": 3, "budget_skip": 7}), "spent_tokens": 9_600_000,
        "cost_microusd": 1_250_000,
    }  # fmt: skip
    return Tally(**{**fields, **given})


def test_the_line_says_all_that_somebody_waits_to_know() -> None:
    """Runs, sub-agents in flight, failures by reason, tokens and dollars against the ceiling, rate, time left."""
    said = line(a_tally(), Ceilings(runs=5_000, tokens=20_000_000, microusd=5_000_000), 10.0)

    assert said == (
        "1,200/5,000 runs · 4,800 sub-agents, 64 in flight · failed: 7 budget_skip, 3 timeout · "
        "9,600,000 of 20,000,000 tokens · $1.25 of $5.00 · 10.0 runs/s · 6 min left"
    )


def test_what_is_not_known_is_not_made_up() -> None:
    """No total, no price, no rate yet: no time left, and a cost that is unknown is not zero."""
    said = line(a_tally(cost_microusd=None, statuses=Counter()), Ceilings(), 0.0)

    assert said == "1,200/? runs · 0 sub-agents, 64 in flight · 9,600,000 tokens · unknown · 0.0 runs/s"


def test_elsewhere_than_on_a_terminal_a_plain_line_comes_every_five_seconds() -> None:
    """No control characters in a log, and none at all of a batch that is over at once."""
    clock, stream = Clock(), io.StringIO()
    progress = Progress(Ceilings(runs=10), stream, clock)

    for tenth in range(170):
        clock.now_s = 100.0 + tenth / 10
        progress(Tally(runs_finished=tenth // 20))
    progress.close()

    lines = stream.getvalue().splitlines()
    assert [said.partition(" ")[0] for said in lines] == ["2/10", "5/10", "7/10"]
    assert "\x1b" not in stream.getvalue()
    assert "\r" not in stream.getvalue()


@pytest.mark.parametrize("kind", ["", "dumb"])
def test_a_terminal_that_cannot_clear_a_row_has_plain_lines(kind: str) -> None:
    """An editor's shell, or one of which nothing is known: as a log has them, and none but those."""
    clock, stream = Clock(), Terminal()
    progress = Progress(Ceilings(runs=10), stream, clock, kind)

    for second in range(12):
        clock.now_s = 100.0 + second
        progress(Tally(runs_finished=second // 2))
    progress.close()

    assert [said.partition(" ")[0] for said in stream.getvalue().splitlines()] == ["2/10", "5/10"]
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", stream.getvalue())


def test_on_a_terminal_one_line_is_written_over_and_cleared_at_the_end() -> None:
    """At most five times a second, however often it is called."""
    clock, stream = Clock(), Terminal()
    progress = Progress(Ceilings(runs=10), stream, clock, kind="xterm")

    for thousandth in range(1_000):
        clock.now_s = 100.0 + thousandth / 1_000
        progress(a_tally())
    progress.close()

    frames = stream.getvalue().split("\r\x1b[2K")
    assert "\n" not in stream.getvalue()
    assert 5 <= len([frame for frame in frames if frame]) <= 6
    assert all(len(frame) < COLUMNS_DEFAULT for frame in frames)
    assert frames[-1] == ""


def test_the_rate_is_that_of_the_last_half_minute() -> None:
    """A batch that stalls shows it, however fast it began; the samples stay few."""
    rate = Rate()

    early = [rate.at(float(second), 100 * second) for second in range(60)]
    late = [rate.at(float(60 + second), 6_000) for second in range(60)]

    assert early[-1] == 100.0
    assert late[-1] == 0.0
    assert len(rate._samples) <= 32


def test_durations_and_narrow_terminals() -> None:
    """Short texts that a person reads at once; a line is cut before it wraps."""
    assert [duration(s) for s in (0.4, 45, 89, 600, 12_000)] == ["0 s", "45 s", "89 s", "10 min", "3 h 20 min"]
    assert fitting("x" * 50, 80) == "x" * 50
    assert len(fitting("x" * 500, 80)) == 79


A_BATCH = Ceilings(runs=5_000, tokens=20_000_000, microusd=5_000_000)


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        (170, "1,200/5,000 runs · 4,800 sub-agents, 64 in flight · failed: 7 budget_skip, 3 timeout · "
              "9,600,000 of 20,000,000 tokens · $1.25 of $5.00 · 10.0 runs/s · 6 min left"),
        (130, "1,200/5,000 runs · 64 in flight · 10 failed: 7 budget_skip, 3 timeout · 9.6M/20M tokens · $1.25/$5 · "
              "10 runs/s · 6 min left"),
        (120, "1,200/5,000 runs · 64 in flight · 10 failed: 7 budget_skip, … · 9.6M/20M tokens · $1.25/$5 · "
              "10 runs/s · 6 min left"),
        (100, "1,200/5,000 runs · 64 in flight · 10 failed · 9.6M/20M tokens · $1.25/$5 · 10 runs/s · 6 min left"),
        (80, "1.2k/5k runs  64 in flight  10 failed  9.6M/20M tok  $1.25/$5  10/s  6m left"),
        (72, "1.2k/5k runs  64 in flight  10 failed  9.6M/20M tok  $1.25/$5  6m left"),
        (60, "1.2k/5k runs  10 failed  9.6M/20M tok  $1.25/$5  6m left"),
        (40, "1.2k/5k runs  10 failed  6m left"),
        (8, "1.2k/5…"),
    ],
)  # fmt: skip
def test_a_row_says_what_it_has_room_for(columns: int, shown: str) -> None:
    """Reasons and rounding first, then what matters least; the runs stay as long as anything."""
    assert row(a_tally(), A_BATCH, 10.0, columns) == shown


@pytest.mark.parametrize("scale", [1, 20, 400, 10_000])
def test_eighty_columns_show_all_that_matters_of_a_batch_of_any_size(scale: int) -> None:
    """Runs, in flight, failed, tokens and dollars against the ceiling, time left: none is cut."""
    tally = a_tally(
        runs_finished=18 * scale, tasks_in_flight=68, statuses=Counter({"ok": 229 * scale, "timeout": 2 * scale}),
        spent_tokens=1_045_402 * scale, cost_microusd=1_254_482 * scale,
    )  # fmt: skip
    ceilings = Ceilings(runs=1_000 * scale, tokens=200_000_000 * scale, microusd=250_000_000 * scale)

    shown = row(tally, ceilings, 3.2 * scale, 80)

    assert len(shown) < 80
    assert all(part in shown for part in (" runs", "68 in flight", " failed", " tok", "/$", "5m left"))


def test_no_row_ever_wraps() -> None:
    """Whatever is known, and however narrow the terminal."""
    for columns in range(2, 200):
        for ceilings in (Ceilings(), A_BATCH):
            for tally in (Tally(), a_tally(), a_tally(cost_microusd=None)):
                assert len(row(tally, ceilings, 0.5, columns)) < columns


def test_amounts_are_rounded_to_what_a_person_reads_at_once() -> None:
    """Never four digits beside a unit; little is not nothing, and what is not known is no number."""
    assert [rounded(n) for n in (0, 999, 1_000, 1_045_402, 9_940, 19_960, 999_600)] == [
        "0", "999", "1k", "1M", "9.9k", "20k", "1M",
    ]  # fmt: skip
    assert [rounded_dollars(n) for n in (None, 0, 350, 1_250_000, 5_000_000, 123_456_789, 12_345_600_000)] == [
        "$?", "$0", "<$0.01", "$1.25", "$5", "$123", "$12k",
    ]  # fmt: skip
    assert [brief(s) for s in (45, 600, 12_000)] == ["45s", "10m", "3h20m"]
