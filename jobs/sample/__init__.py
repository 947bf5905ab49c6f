"""The sample estate: services with incidents, history, metrics and runbooks, in which problems are planted."""

from jobs.sample.write import EstateSummary, write_estate

__all__ = ["EstateSummary", "write_estate"]
