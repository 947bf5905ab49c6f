"""The specialists of the audit, and the lead of a batch. A new one is one file and one line here."""

from actors.specialists.code import CODE
from actors.specialists.incidents import INCIDENTS
from actors.specialists.lead import LEAD
from actors.specialists.metrics import METRICS
from actors.specialists.runbooks import RUNBOOKS

AUDIT_SPECIALISTS = (INCIDENTS, CODE, METRICS, RUNBOOKS)

__all__ = ["AUDIT_SPECIALISTS", "CODE", "INCIDENTS", "LEAD", "METRICS", "RUNBOOKS"]
