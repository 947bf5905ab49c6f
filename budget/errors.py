"""Errors that a caller can cause, from every floor.

MusterError                    the caller is wrong; said before anything is spent
├── BudgetError                an account, a hold or an amount that makes no sense
│   ├── UnknownAccountError    an account that was never opened
│   ├── AccountConflictError   an account that is open already with other terms, or closed
│   ├── UnknownCostError       an amount without a dollar figure under a dollar ceiling
│   ├── JournalError           a ledger's files that are damaged, in use or cannot be written
│   └── BudgetUnreachableError the budget did not answer for so long that its client gave up
├── PriceError                 no price for a model under a dollar ceiling, or a price list that does not parse
├── TaskError                  a task or a specialist that breaks its contract
├── ManifestError              the input of a job: file, line, entity and field
├── SettingsError              an option, variable or configuration key
├── AllFailedError             no task of a plan was answered; carries the report
└── RunDirectoryError          a run directory that is in use, foreign, or not writable

What goes wrong inside a sub-agent is no error of this tree: it becomes a `Failure`, a value.
"""

from __future__ import annotations


class MusterError(Exception):
    """The caller's mistake, as one sentence: the value, the limit, whose it is, and what to do."""


class BudgetError(MusterError):
    """An account, hold or amount that the ledger cannot accept."""


class UnknownAccountError(BudgetError):
    """An account that was never opened."""


class AccountConflictError(BudgetError):
    """An account that is open already with another parent or limit, or closed for good."""


class UnknownCostError(BudgetError):
    """An amount without a dollar figure under a dollar ceiling."""


class JournalError(BudgetError):
    """A ledger's files that are damaged, in use by another process, or cannot be written."""


class BudgetUnreachableError(BudgetError):
    """The budget did not answer for so long that its client gave up; nothing is known of the last commands."""


class PriceError(MusterError):
    """A model without a price where one is needed, or a price list that does not parse."""


class TaskError(MusterError):
    """A task, tool or specialist that breaks its contract."""


class ManifestError(MusterError):
    """A job's input that cannot be used; names file, line, entity and field."""


class SettingsError(MusterError):
    """An option, `MUSTER_*` variable or configuration key that cannot be used."""


class RunDirectoryError(MusterError):
    """A run directory that is in use, foreign, incomplete or not writable."""


class AllFailedError(MusterError):
    """No task of a plan was answered. `report` tells each failure, and what it cost."""

    def __init__(self, message: str, report: object = None) -> None:
        super().__init__(message, report)
        self.report = report

    def __str__(self) -> str:
        return str(self.args[0])
