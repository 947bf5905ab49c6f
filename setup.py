"""Compiles what runs for each sub-agent with mypyc, where there is a C compiler; without one, it runs as Python.

The same files are both: nothing is written twice. `MUSTER_COMPILE=0` leaves it out.
"""

import os

from setuptools import Extension, setup

COMPILED = [
    "actors/bill.py",
    "actors/deadlines.py",
    "actors/holds.py",
    "actors/hosting.py",
    "actors/inbox.py",
    "actors/lookahead.py",
    "actors/pages.py",
    "actors/prompts.py",
    "actors/redaction.py",
    "actors/runner.py",
    "actors/session.py",
    "actors/span_page.py",
    "actors/steps.py",
    "actors/toolbox.py",
    "actors/transcript_page.py",
    "actors/watchdog.py",
    "budget/account_rules.py",
    "budget/accounts.py",
    "budget/books.py",
    "budget/desk.py",
    "budget/hold_rules.py",
    "budget/ledger.py",
    "budget/line.py",
    "budget/outbox.py",
    "budget/sender.py",
    "orchestrator/clockwork.py",
    "orchestrator/dispatcher.py",
    "orchestrator/follow_ups.py",
    "orchestrator/host_load.py",
]


def extensions() -> list[Extension]:
    if os.environ.get("MUSTER_COMPILE") == "0":
        return []
    from mypyc.build import mypycify

    # Other packages' types would change nothing, and take a minute to read. -O2 is no faster, and takes longer.
    options = ["--config-file=", "--no-site-packages", "--ignore-missing-imports", "--follow-imports=silent"]
    built = mypycify([*options, *COMPILED], group_name="budget.compiled", opt_level="1", debug_level="0")
    for extension in built:
        extension.optional = True  # without a C compiler: a warning, and Python
    return built


setup(ext_modules=extensions())
