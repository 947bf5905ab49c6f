"""What README and docs show is what happens."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jobs.sample import write_estate
from support.audits import muster
from support.messages_server import serving

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
EXTENDING = (ROOT / "docs" / "extending.md").read_text()


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_programmers_example_runs_as_it_stands_and_is_short(tmp_path: Path) -> None:
    """Under 25 lines of code, no change of the core."""
    (example,) = blocks(README, "python")
    (tmp_path / "example.py").write_text(example)

    ended = subprocess.run(
        [sys.executable, "example.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[0] == "synthesis from 3/3 sub-agents:"
    assert '- [text-3] {"words":3}' in ended.stdout
    assert len([line for line in example.splitlines() if line.strip()]) < 25


def test_the_examples_for_tools_and_models_are_valid_python() -> None:
    """Each block on the page for programmers runs by itself."""
    for example in blocks(EXTENDING, "python"):
        exec(compile(example, "docs/extending.md", "exec"), {"__name__": "example"})


def test_the_fan_out_that_is_shown_answers_every_task(capsys: pytest.CaptureFixture[str]) -> None:
    """The page's whole example: a tool, a model, a plan that comes from a generator."""
    (example,) = [block for block in blocks(EXTENDING, "python") if "class Stub" in block]

    exec(compile(example, "docs/extending.md", "exec"), {"__name__": "example"})

    assert capsys.readouterr().out.startswith("1000 {'total': 5} 440000 ")


def test_the_same_plan_is_answered_over_http_by_what_the_page_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server instead of the stub is another model, and nothing else."""
    shown: dict[str, Any] = {"__name__": "example"}
    for example in blocks(EXTENDING, "python"):
        exec(compile(example, "docs/extending.md", "exec"), shown)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-canary-docs-1234")
    adder = shown["adder"]

    with serving() as server:
        report = shown["over_http"](server.url, [adder.task(f"t{n}", f"Order {n}?") for n in range(20)], adder)
        meter = server.meter()

    assert [result.work.tool_calls for result in report.results] == [1] * 20
    assert report.spent_tokens == meter["total_tokens"]


def test_the_commands_for_ones_own_services_run(tmp_path: Path) -> None:
    """`muster audit catalog-info.yaml --local`, as the README says it, and with the ceiling of its questions."""
    write_estate(tmp_path / "estate", services=3, seed=1)
    said = [line for block in blocks(README, "sh") for line in block.splitlines()]
    said += re.findall(r"`(muster audit [^`]+)`", README)
    commands = [line.split()[1:] for line in said if line.startswith("muster ")]

    assert len(commands) == 2
    for number, (verb, _, *options) in enumerate(commands):
        ended = muster(
            verb, tmp_path / "estate" / "catalog-info.yaml", *options, "--run-dir", tmp_path / f"run-{number}"
        )
        assert ended.status == 0, ended.stderr


def test_the_output_that_is_shown_is_what_the_command_prints(tmp_path: Path) -> None:
    """Ranks, coverage, tokens: each line shown is a line printed, as far as it is shown; only times may differ."""
    write_estate(tmp_path / "sample", services=40, seed=7)

    ended = muster(
        "audit", tmp_path / "sample" / "catalog-info.yaml", "--local", "--run-dir", tmp_path / "run", "--json"
    )

    printed = ended.stderr.splitlines()
    (shown,) = re.findall(r"```\n(rank .*?)```", README, re.DOTALL)
    lines = [line for line in shown.splitlines() if not line.startswith(("time", "report"))]
    missing = [line for line in lines if not any(one.startswith(line.rstrip("…").rstrip()) for one in printed)]
    assert missing == []


def test_every_page_that_is_linked_exists() -> None:
    """No link of README or docs leads nowhere."""
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+\.(?:md|py|yaml))[^)]*\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links {target}"


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_audit_is_the_sample_and_the_audit_of_it() -> None:
    """What `make audit` runs are the commands that the tests above and of embedded Ray run."""
    shown = subprocess.run(["make", "-n", "audit"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert "muster sample sample --services 40 --seed 7" in shown
    assert "muster audit sample/catalog-info.yaml" in shown
