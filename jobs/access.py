"""Where a run lies and how its model is reached, as options say."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobs.models import ModelChoice, choose_model
from orchestrator.store_files import without_credentials


def place(run_dir: str) -> Path | str | None:
    """A run directory as it was named: a path, or a URI as it stands; None when none was."""
    if not run_dir:
        return None
    return run_dir if "://" in run_dir else Path(run_dir)


def run_dir_of(options: Mapping[str, Any], command: str) -> Path | str:
    """Where a run leaves its files: as it was named, or else a folder that is named by the time."""
    named = place(options["run_dir"])
    return named or Path("runs") / f"{command}-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"


def access_of(options: Mapping[str, Any]) -> dict[str, str]:
    """How the model is reached, for the manifest: addresses and file names, no secrets."""
    named = {name: str(options[name]) for name in ("base_url", "key_file", "prices") if options.get(name)}
    if "@" in named.get("base_url", ""):
        named["base_url"] = without_credentials(named["base_url"])
    return named


def model_of(options: Mapping[str, Any]) -> ModelChoice:
    """The models that options name. Raises as `choose_model`."""
    return choose_model(
        options["model"],
        base_url=options["base_url"],
        key_file=options["key_file"],
        prices=options["prices"],
        priced=options["budget_dollars"] is not None,
        tiers=options["tiers"],
        fallback=options["fallback_model"],
        watchdog=options["watchdog_model"],
        watchdog_turns=options["watchdog_turns"],
        cache=options["cache"],
        deadline_s=options["timeout"],
    )
