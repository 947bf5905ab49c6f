"""The specialists of the audit, and the lead of a batch. A new one is one file and one line here."""

from actors.specialists.code.specialist import CODE
from actors.specialists.incidents.specialist import INCIDENTS
from actors.specialists.lead import LEAD
from actors.specialists.metrics.specialist import METRICS
from actors.specialists.runbooks.specialist import RUNBOOKS

AUDIT_SPECIALISTS = (INCIDENTS, CODE, METRICS, RUNBOOKS)

__all__ = ["AUDIT_SPECIALISTS", "CODE", "INCIDENTS", "LEAD", "METRICS", "RUNBOOKS"]
