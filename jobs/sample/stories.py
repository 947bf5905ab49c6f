"""What incidents are about: titles, causes, and one cause told in several ways."""

from __future__ import annotations

TITLES = (
    "Elevated error responses from {thing}",
    "{thing} slow for some customers",
    "{thing} unavailable in one region",
    "Timeouts when calling {thing}",
    "{thing} returns stale data",
    "Requests to {thing} rejected",
    "{thing} not processing new work",
    "Partial outage of {thing}",
    "{thing} dropped messages",
    "Customers cannot complete a request through {thing}",
    "{thing} answers with empty pages",
    "Delayed updates in {thing}",
    "{thing} fails health checks",
    "Wrong totals shown by {thing}",
)
MINOR_TITLES = (
    "{thing}: single probe failed and recovered",
    "{thing}: brief latency alert, cleared by itself",
    "{thing}: pod rescheduled, no impact seen",
    "{thing}: short spike of retries",
    "{thing}: one replica restarted",
    "{thing}: alert flapped during node upgrade",
)
CAUSES = (
    "A configuration value was rolled out with the wrong unit",
    "A schema migration locked a busy table",
    "A node was lost and replicas were slow to move",
    "A feature flag was enabled for everyone at once",
    "An unbounded query was run by a report",
    "Garbage collection pauses after a runtime upgrade",
    "A cache was flushed by hand during peak hours",
    "A batch import overlapped with the nightly backup",
    "A retry loop without a delay flooded the service",
    "A rate limit was set too low for a new customer",
    "A secret was rotated and one consumer kept the old one",
    "A malformed message blocked the consumer",
    "A DNS record was removed too early",
    "A memory leak in a parsing library",
    "An index was dropped by mistake",
    "A load balancer kept sending requests to a drained host",
    "A clock was off by several minutes on one host",
    "A thread deadlock between two writers",
    "A file system became read-only after an I/O error",
    "A quota for outgoing requests was used up",
)
# One cause each, told by different people; the titles of such incidents have nothing in common.
RECURRING = (
    (
        "The connection pool to the primary database was exhausted by leaked sessions",
        "Leaked sessions exhausted the database connection pool",
        "Database connection pool exhausted, sessions leaked after a failover",
        "Exhausted connection pool on the primary database (leaked sessions again)",
    ),
    (
        "The client certificate for the message broker had expired",
        "Expired client certificate, the message broker refused connections",
        "Message broker rejected us: client certificate expired",
        "Client certificate expired on the message broker connection",
    ),
    (
        "The resolver cache kept a stale address after the replica failover",
        "Stale address in the resolver cache after a replica failover",
        "After replica failover the resolver cache still held the stale address",
        "Resolver cache returned a stale address, replica had failed over",
    ),
    (
        "A poison message in the retry queue blocked the consumer group",
        "Consumer group blocked by a poison message in the retry queue",
        "Retry queue: poison message blocked the whole consumer group",
        "Blocked consumer group, a poison message sat in the retry queue",
    ),
)
IMPACTS = (
    "Some requests failed and were retried by clients.",
    "A part of the customers saw an error page.",
    "Work was delayed and caught up afterwards.",
    "Internal users were affected, no data was lost.",
    "Calls from neighbouring services timed out.",
)
REPAIRS = (
    "Rolled the change back and watched the error rate fall.",
    "Restarted the affected replicas one by one.",
    "Scaled out and drained the backlog.",
    "Corrected the configuration and deployed it again.",
    "Blocked the offending client until it was fixed.",
)
FOLLOW_UPS = (
    "Add a check to the deployment pipeline",
    "Lower the alert threshold",
    "Write down the steps for the next person on call",
    "Review limits with the owning team",
    "Add a dashboard panel for this case",
)
