"""The specialists of the audit. A new one is one file and one line here."""

from actors.specialists.code import CODE
from actors.specialists.incidents import INCIDENTS
from actors.specialists.metrics import METRICS
from actors.specialists.runbooks import RUNBOOKS

AUDIT_SPECIALISTS = (INCIDENTS, CODE, METRICS, RUNBOOKS)

__all__ = ["AUDIT_SPECIALISTS", "CODE", "INCIDENTS", "METRICS", "RUNBOOKS"]
