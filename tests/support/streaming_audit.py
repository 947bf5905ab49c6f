"""The audit with every model call streamed, as a command: MANIFEST, BASE_URL, RUN_DIR. The key is the environment's.

Through the command line only calls for long answers are streamed; a test wants all of them.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from actors.models.anthropic import AnthropicConfig
from actors.models.base import ModelClient
from actors.specialists.base import Specialist
from jobs.audit_job import AuditJob
from jobs.models import choose_model
from jobs.perform import perform
from jobs.request import Request
from orchestrator.settings import Settings

MODEL = "claude-sonnet-5-5"


def streaming(config: AnthropicConfig, _: Specialist) -> ModelClient:
    """A host's client."""
    return config.client()


def main(manifest: str, base_url: str, run_dir: str) -> int:
    config = AnthropicConfig.of_environment(base_url=base_url, stream_above_tokens=0)
    choice = choose_model(MODEL, base_url=base_url, key_file="", prices=None, priced=False)
    settings = Settings(mode="embedded", model=MODEL, deadline_s=8.0, sessions_max=16, min_fraction=0.1)
    performed = perform(
        Request(
            job=AuditJob(),
            source=Path(manifest),
            question="",
            run_dir=Path(run_dir),
            settings=settings,
            model=replace(choice, factory=partial(streaming, config)),
            alerted=lambda _: None,
        )
    )
    return int(performed.status)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
