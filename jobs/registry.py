"""All jobs by name. A new one is one file and one line here."""

from __future__ import annotations

from collections.abc import Mapping

from jobs.audit_job import AuditJob
from jobs.job import Job

JOBS: Mapping[str, Job] = {job.name: job for job in (AuditJob(),)}
