"""The alert rules of a service, by its stack, in the rule format of Prometheus."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from jobs.sample.estate import Service, Stack
from jobs.sample.words import camel, spoken

# What each stack's rules ask, with {sel} for the service's selector. The order is that of TOPICS.
EXPRESSIONS: dict[Stack, tuple[str, ...]] = {
    Stack.WEB: (
        'rate(http_requests_total{{{sel},code="500"}}[2h]) > 1',
        "histogram_quantile(0.95, rate(http_request_duration_seconds_bucket{{{sel}}}[2h])) > 2",
        "container_memory_utilization_ratio{{{sel}}} > 0.9",
        "absent(container_cpu_utilization_ratio{{{sel}}})",
        "container_cpu_utilization_ratio{{{sel}}} > 0.9",
        "rate(http_requests_total{{{sel}}}[2h]) == 0",
    ),
    Stack.RPC: (
        'rate(grpc_server_handled_total{{{sel},grpc_code="Internal"}}[2h]) > 1',
        "histogram_quantile(0.95, rate(grpc_server_handling_seconds_bucket{{{sel}}}[2h])) > 2",
        "db_pool_connections_in_use{{{sel}}} / db_pool_connections_max{{{sel}}} > 0.9",
        "absent(process_cpu_utilization_percent{{{sel}}})",
        "process_cpu_utilization_percent{{{sel}}} > 90",
        "rate(grpc_server_handled_total{{{sel}}}[2h]) == 0",
    ),
    Stack.JVM: (
        'rate(http_server_requests_total{{{sel},outcome="SERVER_ERROR"}}[2h]) > 1',
        'http_server_requests_seconds{{{sel},quantile="0.95"}} > 2',
        "jvm_memory_used_ratio{{{sel}}} > 0.9",
        "absent(process_cpu_usage{{{sel}}})",
        "process_cpu_usage{{{sel}}} > 0.9",
        "rate(http_server_requests_total{{{sel}}}[2h]) == 0",
    ),
    Stack.WORKER: (
        'rate(jobs_processed_total{{{sel},result="failure"}}[2h]) > 1',
        "histogram_quantile(0.95, rate(job_duration_seconds_bucket{{{sel}}}[2h])) > 300",
        "disk_used_percent{{{sel}}} > 90",
        "absent(queue_depth{{{sel}}})",
        "queue_depth{{{sel}}} > 1000",
        "rate(jobs_processed_total{{{sel}}}[2h]) == 0",
    ),
    Stack.EDGE: (
        "edge_success_percent{{{sel}}} < 98",
        "edge_latency_p95_milliseconds{{{sel}}} > 2000",
        "edge_connections_used_percent{{{sel}}} > 90",
        "probe_success{{{sel}}} == 0",
        "probe_duration_seconds{{{sel}}} > 5",
        "edge_requests_per_second{{{sel}}} == 0",
    ),
}


@dataclass(frozen=True, slots=True)
class Topic:
    """What an alert is about: the end of its name, the page that tells of it, and how loud it is."""

    name: str
    page: str
    severity: str
    summary: str
    steps: tuple[str, ...]


TOPICS = (
    Topic(
        "HighErrorRate",
        "errors.md",
        "critical",
        "fails more requests than usual",
        ("Compare the start of the errors with the last deployments.", "Read the logs of one failing replica."),
    ),
    Topic(
        "SlowResponses",
        "latency.md",
        "critical",
        "answers slowly",
        ("Look at the slowest endpoint first.", "Check the latency of the services that it calls."),
    ),
    Topic(
        "NearCapacity",
        "capacity.md",
        "critical",
        "is close to a limit",
        ("Find out what grows, and since when.", "Scale out before you clean up."),
    ),
    Topic(
        "Absent",
        "availability.md",
        "critical",
        "does not answer",
        ("Check whether the replicas are scheduled.", "Check the probe from another region."),
    ),
    Topic(
        "Overloaded",
        "capacity.md",
        "warning",
        "works harder than planned",
        ("Look for a client that sends more than it used to.", "Raise the number of replicas by half."),
    ),
    Topic(
        "NoTraffic",
        "availability.md",
        "warning",
        "gets no work",
        ("Check the route that leads to the service.", "Ask the callers whether they changed something."),
    ),
)
NAMES = tuple(topic.name for topic in TOPICS)


def alert_name(service: Service, topic: Topic) -> str:
    return camel(service.name) + topic.name


def expression(service: Service, topic: Topic) -> str:
    selector = f'service="{service.name}"'
    return EXPRESSIONS[service.stack][NAMES.index(topic.name)].format(sel=selector)


def rule(service: Service, topic: Topic, runbook: str) -> str:
    """One rule of a group; without `runbook` it has no annotation that says where to read on."""
    lines = [
        f"      - alert: {alert_name(service, topic)}",
        f"        expr: '{expression(service, topic)}'",
        "        for: 15m",
        "        labels:",
        f"          severity: {topic.severity}",
        f"          service: {service.name}",
        "        annotations:",
        f"          summary: {spoken(service.name)} {topic.summary}",
    ]
    return "\n".join(lines + ([f"          runbook_url: {runbook}"] if runbook else [])) + "\n"


def rule_file(group: str, rules: Iterable[str]) -> str:
    return f"groups:\n  - name: {group}\n    rules:\n" + "".join(rules)
